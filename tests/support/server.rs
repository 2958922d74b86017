//! A real HTTP/1.1 server that is scripted and remembers what it got.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::listener::Listener;
use super::{Answer, status};

/// Listens on a port of its own until it is dropped.
pub(crate) struct Server {
    listener: Listener,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// One request, as it came over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    /// `None` where the body broke.
    pub(crate) body: Option<Bytes>,
    /// Which connection it came over, counted from 1.
    pub(crate) connection: usize,
    /// When all of it was there.
    pub(crate) at: Instant,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

impl Server {
    /// Answers the `n`th request, counted from 1, as `script` says, once it has read all of it.
    pub(crate) async fn start(script: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Self {
        let (seen, script) = (Arc::<Mutex<Vec<Seen>>>::default(), Arc::new(script));
        let log = Arc::clone(&seen);
        let listener = Listener::start(move |connection, stream| {
            let (log, script) = (Arc::clone(&log), Arc::clone(&script));
            async move {
                let service = service_fn(|request| answer(request, connection, &log, &*script));
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            }
        });
        Self { listener: listener.await, seen }
    }

    /// Answers with these statuses in turn, and then with the last of them for ever.
    pub(crate) async fn statuses<const N: usize>(codes: [u16; N]) -> Self {
        Self::start(move |number| status(codes[number.min(N) - 1])).await
    }

    pub(crate) fn uri(&self, path: &str) -> String {
        self.listener.uri(path)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn answer(
    request: Request<Incoming>,
    connection: usize,
    log: &Mutex<Vec<Seen>>,
    script: &(impl Fn(usize) -> Answer + ?Sized),
) -> Result<Answer, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.ok().map(|collected| collected.to_bytes());
    let number = {
        let mut log = log.lock().unwrap();
        let (target, at) = (parts.uri.to_string(), Instant::now());
        log.push(Seen { method: parts.method, target, headers: parts.headers, body, connection, at });
        log.len()
    };
    Ok(script(number))
}
