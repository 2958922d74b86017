//! An HTTP server that is scripted and records its requests.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::Instant;

use crate::listener::Listener;
use crate::{Answer, status};

/// Listens on a port of its own until it is dropped.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
    seen: Log,
}

/// One request, as it came over the wire.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The method.
    pub method: Method,
    /// The target; with HTTP/2 the whole URI.
    pub target: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; `None` where it broke.
    pub body: Option<Bytes>,
    /// The trailers, if there were any.
    pub trailers: Option<HeaderMap>,
    /// The number of its connection, counted from 1.
    pub connection: usize,
    /// The time at which all of it was there.
    pub at: Instant,
}

impl Seen {
    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("a header of visible ASCII"))
    }
}

type Log = Arc<Mutex<Vec<Seen>>>;

impl Server {
    /// Speaks HTTP/1.1, and answers the `n`th request, counted from 1, once it has read all of it.
    pub async fn start(script: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Self {
        let (seen, script) = (Log::default(), Arc::new(move |number| Ok(script(number))));
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

    /// Speaks HTTP/1.1, and answers with these statuses in turn, and then with the last of them for ever.
    pub async fn statuses<const N: usize>(codes: [u16; N]) -> Self {
        Self::start(move |number| status(codes[number.min(N) - 1])).await
    }

    /// Speaks HTTP/2, and answers the `n`th stream, counted from 1, once it has read all of it, or resets it.
    pub async fn http2<F>(script: F) -> Self
    where
        F: Fn(usize) -> Result<Answer, Reason> + Send + Sync + 'static,
    {
        Self::http2_with_streams(100, script).await
    }

    /// Does the same, with at most so many streams at a time on a connection.
    pub async fn http2_with_streams<F>(streams: u32, script: F) -> Self
    where
        F: Fn(usize) -> Result<Answer, Reason> + Send + Sync + 'static,
    {
        let (seen, script) = (Log::default(), Arc::new(script));
        let log = Arc::clone(&seen);
        let listener = Listener::start(move |connection, stream| {
            stream.set_nodelay(true).expect("it is open");
            let (log, script) = (Arc::clone(&log), Arc::clone(&script));
            async move {
                let service = service_fn(move |request| {
                    let (log, script) = (Arc::clone(&log), Arc::clone(&script));
                    async move { answer(request, connection, &log, &*script).await }
                });
                let mut server = http2::Builder::new(TokioExecutor::new());
                server.max_concurrent_streams(streams);
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            }
        });
        Self { listener: listener.await, seen }
    }

    /// Returns the URI of a path, which begins with `/`.
    pub fn uri(&self, path: &str) -> String {
        self.listener.uri(path)
    }

    /// Returns the address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Returns the requests, in the order in which they were read.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn answer(
    request: Request<Incoming>,
    connection: usize,
    log: &Mutex<Vec<Seen>>,
    script: &(impl Fn(usize) -> Result<Answer, Reason> + ?Sized),
) -> Result<Answer, h2::Error> {
    let (parts, body) = request.into_parts();
    let collected = body.collect().await.ok();
    let trailers = collected.as_ref().and_then(|collected| collected.trailers().cloned());
    let body = collected.map(|collected| collected.to_bytes());
    let number = {
        let mut log = log.lock().unwrap();
        let (method, target, headers) = (parts.method, parts.uri.to_string(), parts.headers);
        log.push(Seen { method, target, headers, body, trailers, connection, at: Instant::now() });
        log.len()
    };
    // hyper resets the stream with the reason that it finds in the error.
    script(number).map_err(h2::Error::from)
}
