//! A server of gRPC by script, for methods that return a `HealthCheckResponse`.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use testkit::listener::Listener;
use tower_http_retry::grpc;

use super::client::RUNTIME;

/// Listens on a port of its own until it is dropped.
pub(super) struct GrpcServer {
    listener: Listener,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// A call as it came in.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) at: Instant,
    headers: HeaderMap,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).map(|value| value.to_str().unwrap().to_owned())
    }

    pub(super) fn timeout(&self) -> Option<Duration> {
        grpc::timeout(&self.headers)
    }
}

/// Where a server tells that a call has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    InHead,
    /// Right after a head without a status.
    InTrailers,
}

/// What is done with a call.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// One message, and the code 0.
    Serve,
    Fail(Says, HeaderMap),
    /// A message, and these trailers.
    FailAfterMessage(HeaderMap),
    /// A head, and nothing more.
    HeadOnly,
    /// The status of a proxy that knows nothing of gRPC.
    Status(u16),
}

impl Act {
    pub(super) fn fail(says: Says, status: &[(&'static str, &str)]) -> Self {
        Self::Fail(says, lines(status))
    }

    pub(super) fn fail_after_message(status: &[(&'static str, &str)]) -> Self {
        Self::FailAfterMessage(lines(status))
    }
}

fn lines(status: &[(&'static str, &str)]) -> HeaderMap {
    let lines = status.iter().chain(&[("grpc-message", "not now")]);
    lines
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
        .collect()
}

impl GrpcServer {
    /// Answers by script; the last act is that for all further calls.
    pub(super) fn start(script: Vec<Act>) -> Self {
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let (calls, script) = (Arc::clone(&seen), Arc::new(script));
        let listener = RUNTIME.block_on(Listener::start(move |_, socket| {
            let (calls, script) = (Arc::clone(&calls), Arc::clone(&script));
            let service = service_fn(move |request: http::Request<Incoming>| {
                let (head, body) = request.into_parts();
                let number = {
                    let mut calls = calls.lock().unwrap();
                    calls.push(Seen { at: Instant::now(), headers: head.headers });
                    calls.len()
                };
                let act = script[(number - 1).min(script.len() - 1)].clone();
                async move {
                    if !matches!(act, Act::HeadOnly) {
                        // The client went away.
                        let _ = body.collect().await;
                    }
                    Ok::<_, Infallible>(answer(act))
                }
            });
            async move {
                let connection = http2::Builder::new(TokioExecutor::new());
                let _ = connection.serve_connection(TokioIo::new(socket), service).await;
            }
        }));
        Self { listener, seen }
    }

    pub(super) fn url(&self) -> String {
        self.listener.uri("")
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn answer(act: Act) -> Response<BoxBody<Bytes, Infallible>> {
    let mut response = Response::builder().header("content-type", "application/grpc");
    // A `HealthCheckResponse` that says `SERVING`, with its prefix.
    let message = || Frame::data(Bytes::from_static(&[0, 0, 0, 0, 2, 8, 1]));
    let frames = match act {
        Act::Serve => vec![message(), Frame::trailers(lines(&[("grpc-status", "0")]))],
        Act::Fail(Says::InTrailers, trailers) => vec![Frame::trailers(trailers)],
        Act::FailAfterMessage(trailers) => vec![message(), Frame::trailers(trailers)],
        Act::Fail(Says::InHead, headers) => {
            response.headers_mut().unwrap().extend(headers);
            return response.body(Empty::new().boxed()).unwrap();
        }
        Act::Status(status) => {
            return Response::builder().status(status).body(Empty::new().boxed()).unwrap();
        }
        Act::HeadOnly => {
            return response.body(BodyExt::boxed(StreamBody::new(futures_util::stream::pending()))).unwrap();
        }
    };
    let frames = futures_util::stream::iter(frames).map(Ok);
    response.body(BodyExt::boxed(StreamBody::new(frames))).unwrap()
}
