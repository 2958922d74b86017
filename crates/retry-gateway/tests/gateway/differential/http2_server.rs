//! A server of HTTP/2 without TLS, which keeps the requests that arrive.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use testkit::listener::Listener;
use tokio::runtime::{Builder, Runtime};

use super::exchange::State;
use super::message::Message;

/// Listens until it is dropped. Each request is written to the state once its body has ended, and is then answered.
pub(super) struct Http2Server {
    listener: Listener,
}

impl Http2Server {
    pub(super) fn start(state: &Arc<Mutex<State>>) -> Self {
        static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
            Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
        });
        let state = Arc::clone(state);
        let listener = RUNTIME.block_on(Listener::start(move |_, socket| {
            let state = Arc::clone(&state);
            let service = service_fn(move |request| respond(request, Arc::clone(&state)));
            async move {
                let mut connection = http2::Builder::new(TokioExecutor::new());
                connection.max_header_list_size(1 << 20);
                // The proxy went away.
                let _ = connection.serve_connection(TokioIo::new(socket), service).await;
            }
        }));
        Self { listener }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.listener.uri("").trim_start_matches("http://").parse().expect("an address")
    }
}

async fn respond(
    request: Request<Incoming>,
    state: Arc<Mutex<State>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let message = read(request).await;
    let is_head = message.start.starts_with(b"HEAD ");
    state.lock().unwrap().requests.push(message);
    let body = if is_head { Full::default() } else { Full::from("ok") };
    Ok(Response::builder().header("x-from-server", "1").body(body).expect("the header is valid"))
}

/// Reads a request. The method and the path make its start line. The host is that of `:authority` or else of `Host`, which mean
/// the same.
async fn read(request: Request<Incoming>) -> Message {
    let (head, mut body) = request.into_parts();
    let path = match head.uri.path_and_query() {
        Some(_) if head.method == Method::CONNECT => "",
        Some(path) => path.as_str(),
        None => "",
    };
    let mut headers = lines(&head.headers);
    if let Some(authority) = head.uri.authority() {
        headers.retain(|(name, value)| name != "host" || value != authority.as_str().as_bytes());
        headers.push(("host".to_owned(), authority.as_str().as_bytes().to_vec()));
    }
    let framing = if body.is_end_stream() { "none" } else { "DATA" };
    let (mut bytes, mut trailers, mut is_cut) = (Vec::new(), Vec::new(), false);
    while let Some(frame) = body.frame().await {
        match frame.map(http_body::Frame::into_data) {
            Ok(Ok(data)) => bytes.extend(data),
            Ok(Err(frame)) => {
                trailers = frame.into_trailers().map_or_else(|_| Vec::new(), |found| lines(&found))
            }
            Err(_) => {
                is_cut = true;
                break;
            }
        }
    }
    let start = format!("{} {path}", head.method).into_bytes();
    Message { start, headers, framing, body: bytes, trailers, is_cut }
}

fn lines(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
}
