//! The clients.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::{sleep, timeout};

use crate::book::{Books, End, Kind, Seen};
use crate::chaos::Stop;
use crate::pattern::{self, Pieces};

pub(crate) type Http = Client<HttpConnector, Pieces>;

/// One that never sends a request twice.
pub(crate) fn http(is_http2: bool) -> Http {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new())
        .retry_canceled_requests(false)
        .http2_only(is_http2)
        .pool_timer(TokioTimer::new())
        .build(connector)
}

/// Sends one request after the other, until it is told to stop.
pub(crate) async fn run(to: SocketAddr, is_http2: bool, seed: u64, stop: Stop, books: Books) {
    let mut rng = StdRng::seed_from_u64(seed);
    let http = http(is_http2);
    while !stop.load(Ordering::Relaxed) {
        let wish = Wish::draw(&mut rng);
        let (id, seen) = wish.send(&http, to, &books).await;
        books.open().clients.entry(id).or_default().push(seen);
        sleep(Duration::from_millis(rng.random_range(5..60))).await;
    }
}

/// A request to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    kind: Kind,
    sends: usize,
    wants: usize,
    is_sized: bool,
    /// When the client goes away, and whether it stops sending before that.
    leaves: Option<(Duration, bool)>,
}

impl Wish {
    pub(crate) const GET: Self = Self { kind: Kind::Get, sends: 0, wants: 200, is_sized: true, leaves: None };

    fn draw(rng: &mut StdRng) -> Self {
        let kind = match rng.random_range(0..100) {
            0..45 => Kind::Get,
            45..60 => Kind::Post,
            60..75 => Kind::KeyedPost,
            75..88 => Kind::Upload,
            88..95 => Kind::Download,
            _ => Kind::SlowDownload,
        };
        let large = rng.random_range(100_000..400_000);
        let small = rng.random_range(100..5000);
        let sends = match kind {
            Kind::Get | Kind::Download | Kind::SlowDownload => 0,
            Kind::Post | Kind::KeyedPost => small,
            Kind::Upload => large,
        };
        let wants = if matches!(kind, Kind::Download | Kind::SlowDownload) { large } else { small };
        let leaves = rng.random_bool(0.1);
        let leaves = leaves.then(|| (Duration::from_millis(rng.random_range(0..100)), rng.random_bool(0.5)));
        Self { kind, sends, wants, is_sized: rng.random_bool(0.5), leaves }
    }

    /// Sends it, and says what came of it.
    pub(crate) async fn send(self, http: &Http, to: SocketAddr, books: &Books) -> (u64, Seen) {
        let id = ID.fetch_add(1, Ordering::Relaxed);
        let content = pattern::bytes(id, self.sends);
        let (began, body) = (Instant::now(), (pattern::hash(&content), self.sends));
        let seen = |end| Seen { kind: self.kind, body, began, end };
        let method = if self.sends == 0 { "GET" } else { "POST" };
        let mut request = Request::builder().method(method).uri(format!("http://{to}{}", pattern::path(id)));
        request = request.header("x-size", self.wants);
        if self.kind == Kind::KeyedPost {
            request = request.header("idempotency-key", format!("\"{id}\"")).header("x-kind", "keyed");
        }
        if !self.is_sized {
            request = request.header("x-chunked", "1");
        }
        let kept_back = self.leaves.map_or(0, |(_, stops)| if stops { self.sends / 2 } else { 0 });
        let is_sized = self.is_sized || self.sends == 0;
        let request = match request.body(Pieces::new(content, is_sized, kept_back)) {
            Ok(request) => request,
            Err(error) => return (id, seen(End::NoAnswer(error.to_string()))),
        };
        let asked = async {
            match http.request(request).await {
                Err(error) => End::NoAnswer(chain(&error)),
                Ok(response) => self.check(id, response, books).await,
            }
        };
        let end = match self.leaves {
            Some((after, _)) => timeout(after, asked).await.unwrap_or(End::Left),
            None => timeout(PATIENCE, asked).await.unwrap_or_else(|_| {
                books.violation(format!("{id}: no end of {:?} after {PATIENCE:?}", self.kind));
                End::Left
            }),
        };
        (id, seen(end))
    }

    /// Reads an answer to its end. One that is whole is right.
    async fn check(self, id: u64, response: Response<Incoming>, books: &Books) -> End {
        let (head, mut body) = response.into_parts();
        let status = head.status.as_u16();
        let named = head.headers.get("x-id").and_then(|name| name.to_str().ok()?.parse::<u64>().ok());
        if named.is_some_and(|named| named != id) {
            books.violation(format!("{id}: it is answered with what {named:?} was to get"));
        }
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return End::Broken(status) };
            bytes.extend(frame.into_data().unwrap_or_default());
            if self.kind == Kind::SlowDownload {
                sleep(READ_PAUSE).await;
            }
        }
        let body = bytes;
        if head.status == StatusCode::OK && (named.is_none() || body != pattern::bytes(!id, self.wants)) {
            books.violation(format!("{id}: a 200 with another body: {} of {} bytes", body.len(), self.wants));
        }
        End::Answered(status)
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The pause of a client that reads slowly, between two pieces.
const READ_PAUSE: Duration = Duration::from_millis(100);
/// Each request has its own.
static ID: AtomicU64 = AtomicU64::new(1);
/// More than a route's timeout and a long pause in a body.
const PATIENCE: Duration = Duration::from_secs(20);
