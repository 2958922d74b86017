//! A server below HTTP/1.1, with a script for each request.

use std::sync::{Arc, Mutex};

use crate::peer::{Peer, Wire};

/// The server's reaction to a request, once its head and as much of its body as its `Content-Length` says were read.
#[derive(Clone, Copy, Debug)]
pub enum Deed {
    /// Resets the connection without an answer.
    Reset,
    /// Closes the connection in good order, without an answer.
    Close,
    /// Sends half a response head, then closes the connection in good order.
    HalfHead,
    /// Sends bytes that are not HTTP, then closes the connection in good order.
    Garbage,
    /// Answers 200, and keeps the connection.
    Answer,
}

/// Listens on a port of its own until it is dropped.
#[derive(Debug)]
pub struct RawServer {
    peer: Peer,
    requests: Arc<Mutex<Vec<String>>>,
}

impl RawServer {
    /// Does to the requests what `deeds` say in turn, and answers all that follow.
    pub async fn start<const N: usize>(deeds: [Deed; N]) -> Self {
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let log = Arc::clone(&requests);
        let peer = Peer::start(move |_, wire| {
            let log = Arc::clone(&log);
            async move { serve(wire, &deeds, &log).await }
        });
        Self { peer: peer.await, requests }
    }

    /// Returns the URI of a path, which begins with `/`.
    pub fn uri(&self, path: &str) -> String {
        self.peer.listener.uri(path)
    }

    /// Returns how many requests were read.
    pub fn sent(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// Returns the requests as they came, heads and bodies.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(mut wire: Wire, deeds: &[Deed], log: &Mutex<Vec<String>>) {
    while let Some(request) = wire.request().await {
        let number = {
            let mut log = log.lock().unwrap();
            log.push(request);
            log.len()
        };
        let last = match deeds.get(number - 1).copied().unwrap_or(Deed::Answer) {
            Deed::Reset => return wire.reset(),
            Deed::Close => "",
            Deed::HalfHead => "HTTP/1.1 200 OK\r\nContent-Le",
            Deed::Garbage => "220 mail.example ESMTP\r\n",
            Deed::Answer => {
                wire.answer(200).await;
                continue;
            }
        };
        wire.write(last).await;
        return wire.close().await;
    }
}
