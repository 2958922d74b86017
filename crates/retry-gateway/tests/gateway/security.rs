//! Nobody gets past the gateway what it did not see: one request in is one request out, read by all in one way.

mod hosts;
mod http2;
mod leaks;
mod requests;
mod responses;
mod tls;
mod way;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use testkit::listener::listen;

/// An upstream that keeps every byte, and answers whatever begins a connection.
struct Recorder {
    address: SocketAddr,
    connections: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// A request, as a strict reader finds it.
#[derive(Debug, PartialEq)]
struct Message {
    head: String,
    body: String,
}

impl Recorder {
    fn start(answer: &'static str) -> Self {
        let connections = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let books = Arc::clone(&connections);
        let address = listen(move |number, mut socket| {
            let mut piece = [0; 4096];
            {
                // Each connection has a thread of its own, so that a later one may come here first.
                let mut books = books.lock().unwrap();
                let open = books.len().max(number + 1);
                books.resize(open, Vec::new());
            }
            while let Ok(length @ 1..) = socket.read(&mut piece) {
                let mut books = books.lock().unwrap();
                let before = messages(&books[number]).map_or(0, |all| all.len());
                books[number].extend(&piece[..length]);
                let now = messages(&books[number]).map_or(0, |all| all.len());
                for _ in before..now {
                    let _ = socket.write_all(answer.as_bytes());
                }
            }
        });
        Self { address, connections }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests that are there to the end, of all connections.
    #[track_caller]
    fn messages(&self) -> Vec<Message> {
        let connections = self.connections.lock().unwrap();
        let all = connections.iter().flat_map(|bytes| messages(bytes).expect("well-framed requests"));
        all.collect()
    }

    fn connections(&self) -> usize {
        self.connections.lock().unwrap().len()
    }
}

/// The requests in these bytes; `None` where a strict reader stumbles.
fn messages(bytes: &[u8]) -> Option<Vec<Message>> {
    let mut rest = std::str::from_utf8(bytes).ok()?;
    let mut found = Vec::new();
    while let Some((head, after)) = rest.split_once("\r\n\r\n") {
        let values = |name: &str| -> Vec<&str> {
            let lines = head.split("\r\n").skip(1).filter_map(|line| line.split_once(": "));
            lines.filter(|(found, _)| *found == name).map(|(_, value)| value).collect()
        };
        let (body, after) = match (&values("content-length")[..], &values("transfer-encoding")[..]) {
            ([], []) => (String::new(), after),
            ([length], []) => {
                let Some((body, after)) = after.split_at_checked(length.parse().ok()?) else { break };
                (body.to_owned(), after)
            }
            ([], ["chunked"]) => match chunks(after)? {
                Some(read) => read,
                None => break,
            },
            _ => return None,
        };
        found.push(Message { head: head.to_owned(), body });
        rest = after;
    }
    Some(found)
}

/// A body in chunks and what follows it; `Some(None)` as long as it has not ended, `None` where it is none.
fn chunks(mut rest: &str) -> Option<Option<(String, &str)>> {
    let mut body = String::new();
    loop {
        let Some((size, after)) = rest.split_once("\r\n") else { return Some(None) };
        let size = usize::from_str_radix(size, 16).ok()?;
        let Some((chunk, after)) = after.split_at_checked(size) else { return Some(None) };
        if after.len() < 2 {
            return Some(None);
        }
        let after = after.strip_prefix("\r\n")?;
        if size == 0 {
            return Some(Some((body, after)));
        }
        body += chunk;
        rest = after;
    }
}

/// What the gateway says to these bytes until it closes, or says nothing for a while.
#[track_caller]
fn exchange(gateway: SocketAddr, bytes: &[u8]) -> (String, bool) {
    let mut socket = TcpStream::connect(gateway).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
    socket.write_all(bytes).unwrap();
    let (mut said, mut piece) = (Vec::new(), [0; 4096]);
    let is_closed = loop {
        match socket.read(&mut piece) {
            Ok(0) => break true,
            Ok(length) => said.extend(&piece[..length]),
            Err(error) => break error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    };
    (String::from_utf8_lossy(&said).into_owned(), is_closed)
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
