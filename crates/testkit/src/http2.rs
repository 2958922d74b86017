//! A server of HTTP/2 that allows few streams, and falls silent when a test says so.
//!
//! It answers `done`, and so many bytes to a path like `/bytes/1000`.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

use crate::listener::Listener;

/// Listens on a port of its own until it is dropped. It needs no runtime of the test's.
#[derive(Debug)]
pub struct Http2Server {
    listener: Listener,
    counts: Arc<Counts>,
}

/// What the server does with each request.
#[derive(Clone, Debug, Default)]
pub struct Http2Script {
    /// The most streams of a connection at a time; `None` for any number.
    pub max_streams: Option<u32>,
    /// The time before each answer.
    pub delay: Duration,
    /// Further headers of each answer.
    pub headers: HeaderMap,
    /// The trailers of each answer.
    pub trailers: HeaderMap,
}

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicUsize,
    requests: AtomicUsize,
    /// The connections up to this number read and write nothing any more.
    silent: AtomicUsize,
    leaves: AtomicBool,
}

impl Http2Server {
    /// Starts a server.
    pub fn start(script: Http2Script) -> Self {
        static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
            Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
        });
        RUNTIME.block_on(async {
            let counts = Arc::<Counts>::default();
            let shared = Arc::clone(&counts);
            let listener = Listener::start(move |number, socket| {
                let (script, counts) = (script.clone(), Arc::clone(&shared));
                async move {
                    counts.connections.fetch_add(1, Ordering::SeqCst);
                    // The client went away.
                    let _ = serve(socket, number, script, &counts).await;
                }
            });
            Self { listener: listener.await, counts }
        })
    }

    /// Returns the URL without a path.
    pub fn url(&self) -> String {
        self.listener.uri("")
    }

    /// Returns the address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Returns the number of connections so far.
    pub fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::SeqCst)
    }

    /// Returns the number of requests so far.
    pub fn requests(&self) -> usize {
        self.counts.requests.load(Ordering::SeqCst)
    }

    /// Reads and writes nothing any more on the connections so far.
    pub fn silence(&self) {
        self.counts.silent.store(self.connections(), Ordering::SeqCst);
    }

    /// Sends GOAWAY on a connection after its next request, which it still answers.
    pub fn leave(&self) {
        self.counts.leaves.store(true, Ordering::SeqCst);
    }
}

async fn serve(
    socket: TcpStream,
    number: usize,
    script: Http2Script,
    counts: &Arc<Counts>,
) -> Result<(), h2::Error> {
    let mut builder = h2::server::Builder::new();
    if let Some(max_streams) = script.max_streams {
        builder.max_concurrent_streams(max_streams);
    }
    let mut connection = builder.handshake::<_, Bytes>(socket).await?;
    loop {
        // A look at the switch now and then is enough for a connection that is to fall silent.
        let accepted = tokio::time::timeout(Duration::from_millis(20), connection.accept()).await;
        if number <= counts.silent.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let Ok(accepted) = accepted else { continue };
        let Some(accepted) = accepted else { return Ok(()) };
        let (request, mut respond) = accepted?;
        counts.requests.fetch_add(1, Ordering::SeqCst);
        if counts.leaves.swap(false, Ordering::SeqCst) {
            connection.graceful_shutdown();
        }
        let script = script.clone();
        tokio::spawn(async move {
            let length = request.uri().path().strip_prefix("/bytes/").and_then(|length| length.parse().ok());
            let answer = length.map_or(Bytes::from_static(b"done"), |length| vec![b'x'; length].into());
            let mut body = request.into_body();
            while let Some(Ok(piece)) = body.data().await {
                let _ = body.flow_control().release_capacity(piece.len());
            }
            tokio::time::sleep(script.delay).await;
            let mut response = Response::new(());
            *response.headers_mut() = script.headers;
            if script.trailers.is_empty() {
                response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(answer.len()));
            }
            if let Ok(mut stream) = respond.send_response(response, false) {
                let ends = script.trailers.is_empty();
                let _ = stream.send_data(answer, ends);
                if !ends {
                    let _ = stream.send_trailers(script.trailers);
                }
            }
        });
    }
}
