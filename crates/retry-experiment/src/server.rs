//! A real HTTP/1.1 server on 127.0.0.1 that does the counting.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::future::ready;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::limited_server::{Announcement, Counter, LimitedServer, RETRY_AFTER};
use crate::plan::Load;

/// What the server counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Calls that came in.
    pub calls: u64,
    /// Calls that were answered 200.
    pub successes: u64,
    /// Calls that were sent again before the time that the last answer to the same request had named.
    pub early: u64,
}

/// The header by which the server knows that a call is sent again.
pub(crate) const REQUEST_ID: &str = "x-request-id";

/// A server that is running; it stops when this is dropped.
pub struct Server {
    shop: LimitedServer,
    load: Load,
    address: SocketAddr,
    books: Arc<Mutex<Ledger>>,
    accepting: JoinHandle<()>,
}

struct Ledger {
    shop: LimitedServer,
    load: Load,
    /// `None` until the first call.
    counter: Option<Counter>,
    tally: Tally,
    /// When each refused request may come back.
    not_before: HashMap<Bytes, Instant>,
}

impl Server {
    /// Starts one that has not been called yet.
    pub async fn start(shop: LimitedServer, load: Load) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (tally, not_before) = (Tally::default(), HashMap::new());
        let books = Arc::new(Mutex::new(Ledger { shop, load, counter: None, tally, not_before }));
        let ledger = Arc::clone(&books);
        let answer = move |request: Request<Incoming>| {
            let id = request.headers().get(REQUEST_ID).map(|id| Bytes::copy_from_slice(id.as_bytes()));
            ready(ledger.lock().unwrap_or_else(PoisonError::into_inner).enter(id.unwrap_or_default()))
        };
        let accepting = tokio::spawn(accept(listener, answer));
        Ok(Self { shop, load, address, books, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn shop(&self) -> LimitedServer {
        self.shop
    }

    pub(crate) fn load(&self) -> Load {
        self.load
    }

    pub(crate) fn tally(&self) -> Tally {
        self.books.lock().unwrap_or_else(PoisonError::into_inner).tally
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("shop", &self.shop)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Answers all calls that come in.
pub(crate) async fn accept<F, A>(listener: TcpListener, answer: F)
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + 'static,
    A: Future<Output = Response<Empty<Bytes>>> + Send + 'static,
{
    while let Ok((socket, _)) = listener.accept().await {
        let answer = answer.clone();
        let service = service_fn(move |request| {
            let answer = answer(request);
            async move { Ok::<_, Infallible>(answer.await) }
        });
        // A client that goes away ends its connection with an error, which is nothing to report.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
    }
}

impl Ledger {
    /// What a call is answered.
    fn enter(&mut self, id: Bytes) -> Response<Empty<Bytes>> {
        let now = Instant::now();
        let open = || Counter::open(self.shop, self.load.rate, self.load.burst, now);
        let counter = self.counter.get_or_insert_with(open);
        let served = counter.serves(now);
        self.tally.calls += 1;
        self.tally.successes += u64::from(served);
        self.tally.early += u64::from(self.not_before.get(&id).is_some_and(|&moment| now < moment));
        if !served {
            self.not_before.insert(id, now + RETRY_AFTER);
        }
        response(served, counter.announces())
    }
}

fn response(served: bool, announcement: Option<Announcement>) -> Response<Empty<Bytes>> {
    let mut response = Response::new(Empty::new());
    if !served {
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER.as_secs().into());
    }
    if let Some(Announcement { limit, remaining, until_full }) = announcement {
        let headers = response.headers_mut();
        headers.insert("x-ratelimit-limit-requests", limit.into());
        headers.insert("x-ratelimit-remaining-requests", remaining.into());
        // A Go duration, rounded up.
        let millis = until_full.as_micros().div_ceil(1_000);
        if let Ok(reset) = HeaderValue::try_from(format!("{millis}ms")) {
            headers.insert("x-ratelimit-reset-requests", reset);
        }
    }
    response
}
