//! Layers that look at requests, or write something on them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, Request, Response};
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt};
use tower_http::request_id::{MakeRequestId, RequestId, SetRequestIdLayer};
use tower_http::sensitive_headers::SetSensitiveHeadersLayer;
use tower_http::set_header::SetRequestHeaderLayer;
use tower_http::trace::TraceLayer;
use tracing::Span;

use super::retry;
use crate::support::upstream::Upstream;
use crate::support::{Sent, get};

/// What `TraceLayer` is told, as text.
type Log = Arc<Mutex<Vec<String>>>;

/// Adds what it is told to the log.
macro_rules! trace {
    ($log:expr) => {{
        let (asked, answered) = (Arc::clone($log), Arc::clone($log));
        TraceLayer::new_for_http()
            .on_request(move |request: &Request<_>, _: &Span| {
                asked.lock().unwrap().push(request.method().to_string());
            })
            .on_response(move |response: &Response<_>, _: Duration, _: &Span| {
                answered.lock().unwrap().push(response.status().as_u16().to_string());
            })
    }};
}

pub(super) async fn trace_outside() {
    let log = Log::default();
    let upstream = Upstream::statuses([503, 503, 200]);
    let client = ServiceBuilder::new().layer(trace!(&log)).layer(retry()).service(upstream);
    client.oneshot(get("/")).await.unwrap();
    assert_eq!(*log.lock().unwrap(), ["GET", "200"]);
}

pub(super) async fn trace_inside() {
    let log = Log::default();
    let upstream = Upstream::statuses([503, 503, 200]);
    let client = ServiceBuilder::new().layer(retry()).layer(trace!(&log)).service(upstream);
    client.oneshot(get("/")).await.unwrap();
    assert_eq!(*log.lock().unwrap(), ["GET", "503", "GET", "503", "GET", "200"]);
}

const MARK: HeaderName = HeaderName::from_static("x-mark");

/// What stands in the mark of each attempt.
async fn marks<S>(client: S, upstream: &Upstream) -> Vec<String>
where
    S: Service<Sent, Error = BoxError>,
{
    client.oneshot(get("/")).await.unwrap();
    let calls = upstream.calls();
    calls.iter().map(|call| call.parts.headers[MARK].to_str().unwrap().to_owned()).collect()
}

fn upstream() -> Upstream {
    Upstream::statuses([503, 503, 200])
}

/// Counts.
#[derive(Clone, Default)]
struct Counter(Arc<AtomicU32>);

impl Counter {
    fn next(&self) -> HeaderValue {
        HeaderValue::from(self.0.fetch_add(1, Ordering::SeqCst) + 1)
    }
}

impl MakeRequestId for Counter {
    fn make_request_id<B>(&mut self, _: &Request<B>) -> Option<RequestId> {
        Some(RequestId::new(self.next()))
    }
}

fn id() -> SetRequestIdLayer<Counter> {
    SetRequestIdLayer::new(MARK, Counter::default())
}

pub(super) async fn id_outside() {
    let upstream = upstream();
    let client = ServiceBuilder::new().layer(id()).layer(retry()).service(upstream.handle());
    assert_eq!(marks(client, &upstream).await, ["1", "1", "1"]);
}

pub(super) async fn id_inside() {
    let upstream = upstream();
    let client = ServiceBuilder::new().layer(retry()).layer(id()).service(upstream.handle());
    assert_eq!(marks(client, &upstream).await, ["1", "2", "3"]);
}

/// Makes a value for each request that it sees.
fn value<B>() -> SetRequestHeaderLayer<impl FnMut(&Request<B>) -> Option<HeaderValue> + Clone> {
    let counter = Counter::default();
    SetRequestHeaderLayer::overriding(MARK, move |_: &Request<B>| Some(counter.next()))
}

pub(super) async fn header_outside() {
    let upstream = upstream();
    let client = ServiceBuilder::new().layer(value()).layer(retry()).service(upstream.handle());
    assert_eq!(marks(client, &upstream).await, ["1", "1", "1"]);
}

pub(super) async fn header_inside() {
    let upstream = upstream();
    let client = ServiceBuilder::new().layer(retry()).layer(value()).service(upstream.handle());
    assert_eq!(marks(client, &upstream).await, ["1", "2", "3"]);
}

async fn check_sensitive<S: Service<Sent, Error = BoxError>>(client: S, upstream: &Upstream) {
    let mut request = get("/");
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Bearer secret"));
    client.oneshot(request).await.unwrap();
    let calls = upstream.calls();
    let marks = calls.iter().map(|call| call.parts.headers[AUTHORIZATION].is_sensitive());
    assert_eq!(marks.collect::<Vec<_>>(), [true; 3]);
}

pub(super) async fn sensitive_outside() {
    let (upstream, secret) = (upstream(), SetSensitiveHeadersLayer::new([AUTHORIZATION]));
    check_sensitive(secret.layer(retry().layer(upstream.handle())), &upstream).await;
}

pub(super) async fn sensitive_inside() {
    let (upstream, secret) = (upstream(), SetSensitiveHeadersLayer::new([AUTHORIZATION]));
    check_sensitive(retry().layer(secret.layer(upstream.handle())), &upstream).await;
}
