//! A server made of a script for each connection, and what such scripts need to speak HTTP/1.1.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::listener::Listener;

/// Listens on a port of its own until it is dropped.
pub(crate) struct Peer {
    listener: Listener,
    connections: Arc<AtomicUsize>,
}

impl Peer {
    /// Plays `script` for each connection; they are counted from 1.
    pub(crate) async fn start<F, S>(script: F) -> Self
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

    pub(crate) fn uri(&self) -> String {
        self.listener.uri("/")
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// One side of a connection.
pub(crate) struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Wire {
    /// Everything up to and with `end`; what there is where the connection ends before.
    pub(crate) async fn read_to(&mut self, end: &[u8]) -> Vec<u8> {
        let ends_at = |unread: &[u8]| {
            let start = unread.windows(end.len()).position(|window| window == end)?;
            Some(start + end.len())
        };
        while ends_at(&self.unread).is_none() && self.read_more().await {}
        let count = ends_at(&self.unread).unwrap_or(self.unread.len());
        self.unread.drain(..count).collect()
    }

    /// So many bytes; fewer where the connection ends before.
    pub(crate) async fn read_exactly(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count && self.read_more().await {}
        let count = count.min(self.unread.len());
        self.unread.drain(..count).collect()
    }

    /// Whether there was any more.
    async fn read_more(&mut self) -> bool {
        let mut bytes = [0; 4096];
        let count = self.stream.read(&mut bytes).await.unwrap_or(0);
        self.unread.extend_from_slice(&bytes[..count]);
        count > 0
    }

    /// A request's head, in lower case.
    pub(crate) async fn head(&mut self) -> String {
        String::from_utf8(self.read_to(b"\r\n\r\n").await).unwrap().to_lowercase()
    }

    /// The next chunk of a chunked body; `None` for the last one.
    pub(crate) async fn chunk(&mut self) -> Option<String> {
        let size = String::from_utf8(self.read_to(b"\r\n").await).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        let mut data = String::from_utf8(self.read_to(b"\r\n").await).unwrap();
        data.truncate(size);
        (size > 0).then_some(data)
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        // A client that hung up is the client's business.
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Answers with a status and no content.
    pub(crate) async fn answer(&mut self, status: u16) {
        self.write(format!("HTTP/1.1 {status} -\r\ncontent-length: 0\r\n\r\n")).await;
    }

    /// Ends the connection in good order.
    pub(crate) async fn close(mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Breaks the connection.
    pub(crate) fn reset(self) {
        let _ = self.stream.set_zero_linger();
    }

    /// Keeps the connection open for ever.
    pub(crate) async fn hold(self) {
        std::future::pending().await
    }
}
