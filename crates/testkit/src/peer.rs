//! A server with a script for each connection, which reads and writes HTTP/1.1 byte by byte.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::listener::Listener;

/// Listens on a port of its own until it is dropped.
#[derive(Debug)]
pub struct Peer {
    pub(crate) listener: Listener,
    connections: Arc<AtomicUsize>,
}

impl Peer {
    /// Plays `script` for each connection; connections are counted from 1.
    pub async fn start<F, S>(script: F) -> Self
    where
        F: Fn(usize, Wire) -> S + Send + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let connections = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&connections);
        let listener = Listener::start(move |number, stream| {
            counter.store(number, Ordering::SeqCst);
            script(number, Wire { stream, unread: Vec::new() })
        });
        Self { listener: listener.await, connections }
    }

    /// Returns the URI of the path `/`.
    pub fn uri(&self) -> String {
        self.listener.uri("/")
    }

    /// Returns how many connections were accepted.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// The server's side of a connection.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Wire {
    /// Reads up to and with `end`, or up to the end of the connection.
    pub async fn read_to(&mut self, end: &[u8]) -> Vec<u8> {
        let ends_at = |unread: &[u8]| {
            let start = unread.windows(end.len()).position(|window| window == end)?;
            Some(start + end.len())
        };
        while ends_at(&self.unread).is_none() && self.read_more().await {}
        let count = ends_at(&self.unread).unwrap_or(self.unread.len());
        self.unread.drain(..count).collect()
    }

    /// Reads so many bytes, or up to the end of the connection.
    pub async fn read_exactly(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count && self.read_more().await {}
        let count = count.min(self.unread.len());
        self.unread.drain(..count).collect()
    }

    /// Returns false at the end of the connection.
    async fn read_more(&mut self) -> bool {
        let mut bytes = [0; 4096];
        let count = self.stream.read(&mut bytes).await.unwrap_or(0);
        self.unread.extend_from_slice(&bytes[..count]);
        count > 0
    }

    /// Reads a request's head, and returns it in lower case.
    pub async fn head(&mut self) -> String {
        String::from_utf8(self.read_to(HEAD_END).await).unwrap().to_lowercase()
    }

    /// Reads the next chunk of a chunked body; `None` for the last one.
    pub async fn chunk(&mut self) -> Option<String> {
        let size = String::from_utf8(self.read_to(b"\r\n").await).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        let mut data = String::from_utf8(self.read_to(b"\r\n").await).unwrap();
        data.truncate(size);
        (size > 0).then_some(data)
    }

    /// Writes bytes.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        // A client may hang up; the test sees that on its own side.
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Reads a request with as much of its body as its `Content-Length` says; `None` at the end of the connection.
    pub async fn request(&mut self) -> Option<String> {
        let mut request = self.read_to(HEAD_END).await;
        if !request.ends_with(HEAD_END) {
            return None;
        }
        let length = content_length(&String::from_utf8_lossy(&request));
        let body = self.read_exactly(length).await;
        request.extend(&body);
        (body.len() == length).then(|| String::from_utf8_lossy(&request).into_owned())
    }

    /// Answers with a status and no content.
    pub async fn answer(&mut self, status: u16) {
        self.write(format!("HTTP/1.1 {status} -\r\ncontent-length: 0\r\n\r\n")).await;
    }

    /// Ends the connection in good order.
    pub async fn close(mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Breaks the connection.
    pub fn reset(self) {
        let _ = self.stream.set_zero_linger();
    }

    /// Keeps the connection open for ever.
    pub async fn hold(self) {
        std::future::pending().await
    }
}

fn content_length(head: &str) -> usize {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut lengths = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    lengths.next().map_or(0, |(_, length)| length.trim().parse().expect("a length"))
}

const HEAD_END: &[u8] = b"\r\n\r\n";
