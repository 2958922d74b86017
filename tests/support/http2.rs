//! A real HTTP/2 server that is scripted, counts, and can refuse streams.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tower_http_retry::{BoxError, ReplayBody};

use super::Answer;
use super::listener::Listener;

/// Listens on a port of its own until it is dropped.
pub(crate) struct Http2Server {
    listener: Listener,
    seen: Arc<Mutex<Vec<Upload>>>,
}

/// What came of one stream's body.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    /// `None` where the body broke.
    pub(crate) body: Option<Bytes>,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) content_length: Option<String>,
}

impl Http2Server {
    /// Answers the `n`th stream, counted from 1, once it has read all of it, or resets it.
    pub(crate) async fn start<F>(script: F) -> Self
    where
        F: Fn(usize) -> Result<Answer, Reason> + Send + Sync + 'static,
    {
        Self::with_streams(100, script).await
    }

    /// The same, with at most so many streams at a time on a connection.
    pub(crate) async fn with_streams<F>(streams: u32, script: F) -> Self
    where
        F: Fn(usize) -> Result<Answer, Reason> + Send + Sync + 'static,
    {
        let (seen, script) = (Arc::<Mutex<Vec<Upload>>>::default(), Arc::new(script));
        let log = Arc::clone(&seen);
        let listener = Listener::start(move |_, stream| {
            stream.set_nodelay(true).unwrap();
            let (log, script) = (Arc::clone(&log), Arc::clone(&script));
            async move {
                let service = service_fn(move |request| {
                    let (log, script) = (Arc::clone(&log), Arc::clone(&script));
                    async move { answer(request, &log, &*script).await }
                });
                let mut server = http2::Builder::new(TokioExecutor::new());
                server.max_concurrent_streams(streams);
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            }
        });
        Self { listener: listener.await, seen }
    }

    pub(crate) fn uri(&self) -> String {
        self.listener.uri("/")
    }

    pub(crate) fn seen(&self) -> Vec<Upload> {
        self.seen.lock().unwrap().clone()
    }
}

async fn answer(
    request: Request<Incoming>,
    log: &Mutex<Vec<Upload>>,
    script: &(impl Fn(usize) -> Result<Answer, Reason> + ?Sized),
) -> Result<Answer, h2::Error> {
    let content_length = request.headers().get("content-length").map(|value| value.to_str().unwrap().into());
    let (body, trailers) = match request.into_body().collect().await {
        Ok(collected) => {
            let trailers = collected.trailers().cloned();
            (Some(collected.to_bytes()), trailers)
        }
        Err(_) => (None, None),
    };
    let number = {
        let mut log = log.lock().unwrap();
        log.push(Upload { body, trailers, content_length });
        log.len()
    };
    // hyper resets the stream with the reason that it finds in the error.
    script(number).map_err(h2::Error::from)
}

/// A client of hyper-util that speaks HTTP/2 only.
pub(crate) fn http2_client<B>() -> Client<HttpConnector, ReplayBody<B>>
where
    B: http_body::Body<Data = Bytes> + Send,
    B::Error: Into<BoxError>,
{
    let mut connector = HttpConnector::new();
    // Or every small frame waits 40 ms for the acknowledgement of the one before.
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).http2_only(true).build(connector)
}
