//! The admin listener: metrics, health, status and the dashboard, for operators.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::connection::descriptors::DESCRIPTORS;
use crate::lifecycle::current::RuntimeState;
use crate::server::dashboard;
use crate::server::listener::{after_failed_accept, listen};

/// The bound admin listener. [`run`](Self::run) serves it.
#[derive(Debug)]
pub(crate) struct Admin(TcpListener);

impl Admin {
    pub(crate) fn bind(address: SocketAddr) -> anyhow::Result<Self> {
        listen("admin", address).map(Self)
    }

    pub(crate) fn address(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Serves requests for as long as the future is polled.
    pub(crate) async fn run(self, state: Arc<RuntimeState>) {
        let mut connections = VecDeque::<JoinHandle<()>>::new();
        loop {
            let socket = match self.0.accept().await {
                Ok((socket, _)) => socket,
                Err(error) => {
                    after_failed_accept(&error, "an operator").await;
                    continue;
                }
            };
            connections.retain(|connection| !connection.is_finished());
            // Operators get a part of the reserve, which clients cannot take from them. Beyond it the oldest connection
            // makes room. It is most likely idle, because each request is answered at once.
            if connections.len() >= DESCRIPTORS.quarter_of_reserve()
                && let Some(oldest) = connections.pop_front()
            {
                oldest.abort();
                let _ = oldest.await;
            }
            let state = Arc::clone(&state);
            let service = service_fn(move |request: Request<Incoming>| {
                let response = respond(&state, request.method(), request.uri().path());
                async move { Ok::<_, Infallible>(response) }
            });
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new());
            let connection = builder.serve_connection(TokioIo::new(socket), service);
            connections.push_back(tokio::spawn(async move {
                // An operator that closes its connection also causes an error here.
                let _ = connection.await;
            }));
        }
    }
}

fn respond(state: &RuntimeState, method: &Method, path: &str) -> Response<Full<Bytes>> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, TEXT, "use GET or HEAD\n");
    }
    match path {
        "/metrics" => text(StatusCode::OK, METRICS, state.metrics()),
        "/healthz" => text(StatusCode::OK, TEXT, "ok\n"),
        "/readyz" if state.is_draining() => text(StatusCode::SERVICE_UNAVAILABLE, TEXT, "draining\n"),
        "/readyz" => text(StatusCode::OK, TEXT, "ready\n"),
        "/status" => {
            let status = serde_json::to_string_pretty(&state.status()).unwrap_or_default();
            text(StatusCode::OK, "application/json", status + "\n")
        }
        _ => match dashboard::file(path) {
            Some(file) => text(StatusCode::OK, file.kind, file.text),
            None => text(StatusCode::NOT_FOUND, TEXT, "/ /metrics /healthz /readyz /status\n"),
        },
    }
}

fn text(status: StatusCode, kind: &'static str, body: impl Into<String>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().extend(dashboard::SECURITY_HEADERS);
    response
}

const TEXT: &str = "text/plain; charset=utf-8";
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
