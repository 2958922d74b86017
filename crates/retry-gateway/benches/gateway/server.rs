//! An upstream that is down, and counts what comes at it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use testkit::listener::{Listener, unused_address};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::meter;

/// How it is down.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Down {
    /// 503 to everything.
    Status,
    /// The same, with `Retry-After: 1`.
    Hint,
    /// Nobody listens.
    Refuses,
    /// It takes every connection, and says nothing.
    Silent,
}

impl Down {
    pub(crate) const ALL: [Self; 4] = [Self::Status, Self::Hint, Self::Refuses, Self::Silent];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Status => "503",
            Self::Hint => "503, Retry-After: 1",
            Self::Refuses => "connection refused",
            Self::Silent => "black hole",
        }
    }
}

/// An upstream that is down for as long as this exists.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    down: Down,
    _listener: Option<Listener>,
    arrivals: Arc<AtomicU64>,
}

impl Server {
    pub(crate) async fn start(down: Down) -> Self {
        let arrivals = Arc::<AtomicU64>::default();
        if matches!(down, Down::Refuses) {
            return Self { address: unused_address(), down, _listener: None, arrivals };
        }
        let counter = Arc::clone(&arrivals);
        let listener = Listener::start(move |_, socket| answer(socket, down, Arc::clone(&counter))).await;
        Self { address: listener.address(), down, _listener: Some(listener), arrivals }
    }

    /// How many requests came so far; where nobody listens, how many connects of this machine were refused.
    pub(crate) fn arrivals(&self) -> anyhow::Result<u64> {
        match self.down {
            Down::Refuses => meter::refused_connects(),
            _ => Ok(self.arrivals.load(Ordering::Relaxed)),
        }
    }
}

/// Requests without a body, one after the other.
async fn answer(mut socket: TcpStream, down: Down, arrivals: Arc<AtomicU64>) {
    let mut head = Vec::new();
    while matches!(socket.read_buf(&mut head).await, Ok(count) if count > 0) {
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        head.clear();
        arrivals.fetch_add(1, Ordering::Relaxed);
        let answer: &[u8] = match down {
            Down::Status => b"HTTP/1.1 503 Down\r\ncontent-length: 0\r\n\r\n",
            Down::Hint => b"HTTP/1.1 503 Down\r\ncontent-length: 0\r\nretry-after: 1\r\n\r\n",
            Down::Refuses | Down::Silent => b"",
        };
        if socket.write_all(answer).await.is_err() {
            return;
        }
    }
}
