//! A server below HTTP, that breaks connections where it is told to.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::listener::Listener;

/// What becomes of a request, once its head and as much of its body as its `Content-Length` says were read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deed {
    /// A reset without an answer.
    Reset,
    /// The connection is closed in good order, without an answer.
    Close,
    /// Half a response head, then the connection is closed in good order.
    HalfHead,
    /// What is no HTTP at all.
    Garbage,
    /// 200, and the connection is kept.
    Answer,
}

/// Listens on a port of its own until it is dropped.
pub(crate) struct RawServer {
    listener: Listener,
    requests: Arc<Mutex<Vec<String>>>,
}

impl RawServer {
    /// Does to the requests what `deeds` say in turn, and answers all that follow.
    pub(crate) async fn start<const N: usize>(deeds: [Deed; N]) -> Self {
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let log = Arc::clone(&requests);
        let listener = Listener::start(move |_, stream| {
            let log = Arc::clone(&log);
            async move {
                let _ = serve(stream, &deeds, &log).await;
            }
        });
        Self { listener: listener.await, requests }
    }

    pub(crate) fn uri(&self, path: &str) -> String {
        self.listener.uri(path)
    }

    /// How many requests were read.
    pub(crate) fn sent(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// The requests as they came, heads and bodies.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, deeds: &[Deed], log: &Mutex<Vec<String>>) -> io::Result<()> {
    loop {
        let Some(request) = read(&mut stream).await? else {
            return Ok(());
        };
        let number = {
            let mut log = log.lock().unwrap();
            log.push(request);
            log.len()
        };
        match deeds.get(number - 1).copied().unwrap_or(Deed::Answer) {
            Deed::Reset => return stream.set_zero_linger(),
            Deed::Close => return stream.shutdown().await,
            Deed::HalfHead => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Le").await?;
                return stream.shutdown().await;
            }
            Deed::Garbage => {
                stream.write_all(b"220 mail.example ESMTP\r\n").await?;
                return stream.shutdown().await;
            }
            Deed::Answer => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await?,
        }
    }
}

/// One request with its body; `None` at the end of the connection.
async fn read(stream: &mut TcpStream) -> io::Result<Option<String>> {
    let mut text = Vec::new();
    loop {
        if let Some(head) = text.windows(4).position(|four| four == b"\r\n\r\n") {
            let length = content_length(&String::from_utf8_lossy(&text[..head]));
            if text.len() >= head + 4 + length {
                return Ok(Some(String::from_utf8_lossy(&text).into_owned()));
            }
        }
        let mut bytes = [0; 1024];
        match stream.read(&mut bytes).await? {
            0 => return Ok(None),
            count => text.extend_from_slice(&bytes[..count]),
        }
    }
}

fn content_length(head: &str) -> usize {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut lengths = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    lengths.next().map_or(0, |(_, length)| length.trim().parse().unwrap())
}

/// An address at which nobody listens.
pub(crate) async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}
