//! Tower's own `Retry`, with the decisions of the layer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderName, Method, Request, Response, StatusCode};
use tokio::time::Instant;
use tower::retry::Retry;
use tower::util::BoxCloneService;
use tower::{BoxError, Layer, Service, ServiceExt};
use tower_http_retry::markers::Boxed;
use tower_http_retry::policy::{AttemptHeader, FixedDelay, NoRetry};
use tower_http_retry::tower_retry::TowerPolicy;
use tower_http_retry::{
    AttemptNumber, Budget, ExponentialBackoff, GiveUpReason, Policy, RetryAfterFirst, RetryInfo, RetryLayer,
    RetryOverride,
};

use crate::support::capture::Capture;
use crate::support::upstream::Upstream;
use crate::support::{
    A_SECOND, Answer, Sent, assert_status, eventually, get, info, next, refused, request, reset, status,
    with_header,
};

/// What can be seen of a session: when which attempt was sent, how it ended, and what is left of the budget.
#[derive(Debug, PartialEq)]
struct Seen {
    sent: Vec<(Duration, u32, Option<String>)>,
    ended: Result<(u16, Option<RetryInfo>), String>,
    tokens: f64,
}

async fn seen<S, R>(client: S, upstream: &Upstream, budget: &Budget, request: Sent) -> Seen
where
    S: Service<Sent, Response = Response<R>, Error = BoxError>,
{
    let start = Instant::now();
    let ended = eventually(client.oneshot(request)).await;
    let ended = ended.map(|response| (response.status().as_u16(), response.extensions().get().copied()));
    let sent = upstream.calls().into_iter().map(|call| {
        let number = call.parts.headers.get(NUMBER).map(|value| value.to_str().unwrap().to_owned());
        (call.at - start, AttemptNumber::from_request(&Request::from_parts(call.parts, ())), number)
    });
    Seen { sent: sent.collect(), ended: ended.map_err(|error| error.to_string()), tokens: budget.tokens() }
}

const NUMBER: HeaderName = HeaderName::from_static("x-retry-attempt");

/// Sends a request through the layer, and through tower's `Retry`, and finds no difference.
async fn check<P: Policy + Copy>(
    what: &str,
    policy: P,
    request: Sent,
    script: impl Fn(usize) -> Result<Answer, BoxError> + Copy + Send + Sync + 'static,
) -> Seen {
    let layer = |budget: &Budget| {
        let layer = RetryLayer::<_, Boxed>::new(policy).budget(budget.clone()).seed(7);
        layer.attempt_header(NUMBER).max_elapsed(Duration::from_secs(20))
    };
    let (budget, upstream) = (scarce(), Upstream::new(script));
    let client = layer(&budget).layer(upstream.handle());
    let ours = seen(client, &upstream, &budget, request.clone()).await;

    let (budget, upstream) = (scarce(), Upstream::new(script));
    let client = Retry::new(TowerPolicy::new(layer(&budget)), upstream.handle());
    assert_eq!(seen(client, &upstream, &budget, request).await, ours, "{what}");
    ours
}

fn scarce() -> Budget {
    Budget::percent(20).min_per_second(0).capacity(10)
}

fn order(idempotent: bool) -> Sent {
    let mut request = request(Method::POST, "/orders", "text");
    if idempotent {
        request.extensions_mut().insert(RetryOverride::new().idempotent());
    }
    request
}

#[tokio::test(start_paused = true)]
async fn tower_s_retry_decides_as_the_layer_does() {
    let exponential = ExponentialBackoff::new(Duration::from_millis(100), Duration::from_secs(10));
    let hinted = RetryAfterFirst::new(exponential);
    let fails = |error: fn() -> std::io::Error| move |_| Err::<Answer, BoxError>(error().into());
    let answers = |codes: [u16; 3]| move |number: usize| Ok(status(codes[number.min(3) - 1]));
    let asks = |seconds: &'static str| move |_| Ok(with_header(429, "retry-after", seconds));

    let sends = |seen: Seen| seen.sent.len();
    assert_eq!(sends(check("accepted", exponential, get("/"), answers([200; 3])).await), 1);
    assert_eq!(sends(check("backoff", exponential, get("/"), answers([503, 500, 200])).await), 3);
    assert_eq!(sends(check("attempts", exponential, get("/"), answers([503; 3])).await), 3);
    assert_eq!(sends(check("hints", hinted, get("/"), asks("2")).await), 3);
    assert_eq!(sends(check("deadline", hinted, get("/"), asks("15")).await), 2);
    assert_eq!(sends(check("too long", hinted, get("/"), asks("150")).await), 1);
    assert_eq!(
        sends(check("at once", FixedDelay::new(Duration::ZERO), get("/"), answers([503; 3])).await),
        3
    );
    assert_eq!(sends(check("never", NoRetry, get("/"), answers([503; 3])).await), 1);
    assert_eq!(sends(check("maybe processed", A_SECOND, get("/"), fails(reset)).await), 3);
    assert_eq!(sends(check("POST", A_SECOND, order(false), fails(reset)).await), 1);
    assert_eq!(sends(check("never sent", A_SECOND, order(false), fails(refused)).await), 3);
    assert_eq!(sends(check("assume_idempotent", A_SECOND, order(true), fails(reset)).await), 3);
    assert_eq!(sends(check("not kept", A_SECOND, request(Method::CONNECT, "/", ""), fails(reset)).await), 1);

    let mut expecting = request(Method::PUT, "/", "text");
    expecting.headers_mut().insert("expect", "100-continue".parse().unwrap());
    assert_eq!(sends(check("expectation", A_SECOND, expecting, answers([417, 200, 200])).await), 2);
    let mut once = get("/");
    once.extensions_mut().insert(RetryOverride::never());
    assert_eq!(sends(check("override", A_SECOND, once, answers([503; 3])).await), 1);
    let mut more = get("/");
    more.extensions_mut()
        .insert(RetryOverride::new().max_attempts(5).policy(FixedDelay::new(Duration::ZERO)));
    assert_eq!(sends(check("override", A_SECOND, more, answers([503; 3])).await), 5);
}

/// A client whose responses are of one type.
fn boxed<S, R>(client: S) -> BoxCloneService<Sent, StatusCode, BoxError>
where
    S: Service<Sent, Response = Response<R>, Error = BoxError, Future: Send + 'static>
        + Clone
        + Send
        + 'static,
{
    BoxCloneService::new(client.map_response(|response| response.status()))
}

/// But for the spans of resends, which a policy cannot open.
#[tokio::test(start_paused = true)]
async fn tracing_is_told_what_the_layer_tells() {
    let layer = || RetryLayer::<_, Boxed>::new(A_SECOND);
    let lines = async |client: BoxCloneService<Sent, StatusCode, BoxError>| {
        let capture = Capture::start();
        client.oneshot(get("http://api.example/")).await.unwrap();
        capture.lines()
    };
    let mut ours = lines(boxed(layer().layer(Upstream::statuses([503])))).await;
    let tower_s = Retry::new(TowerPolicy::new(layer()), Upstream::statuses([503]));
    ours.retain(|line| !line.starts_with("+ retry:resend"));
    assert_eq!(ours.len(), 4, "{ours:#?}");
    assert_eq!(lines(boxed(tower_s)).await, ours);
}

/// gRPC is told of retries alone, and not of the resend at once.
#[tokio::test(start_paused = true)]
async fn grpc_s_count_of_retries_is_that_of_the_layer() {
    let layer = || RetryLayer::<_, Boxed>::new(A_SECOND).attempt_header(AttemptHeader::grpc());
    let counts = async |upstream: &Upstream, client: BoxCloneService<Sent, StatusCode, BoxError>| {
        let mut request = get("/");
        request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        client.oneshot(request).await.unwrap();
        let calls = upstream.calls().into_iter();
        let counts = calls.map(|call| call.parts.headers.get("grpc-previous-rpc-attempts").cloned());
        counts.map(|count| count.map(|count| count.to_str().unwrap().to_owned())).collect::<Vec<_>>()
    };
    let upstream = || Upstream::statuses([425, 503, 503]);
    let (ours, tower_s) = (upstream(), upstream());
    let client = boxed(layer().layer(ours.handle()));
    assert_eq!(counts(&ours, client).await, [None, None, Some("1".to_owned()), Some("2".to_owned())]);
    let client = boxed(Retry::new(TowerPolicy::new(layer()), tower_s.handle()));
    assert_eq!(counts(&tower_s, client).await, [None, None, Some("1".to_owned()), Some("2".to_owned())]);
}

/// Whether a request may ever be sent again is settled before its first attempt, and may cost something.
#[tokio::test(start_paused = true)]
async fn the_policy_is_asked_once_whether_to_keep_a_request() {
    let asked = Arc::new(AtomicUsize::new(0));
    let policy = A_SECOND.only({
        let asked = Arc::clone(&asked);
        move |_| asked.fetch_add(1, Ordering::Relaxed) < 2
    });
    let upstream = Upstream::statuses([503]);
    let mut client = Retry::new(TowerPolicy::new(RetryLayer::new(policy)), upstream.handle());
    for (requests, sent) in [(1, 3), (2, 6), (3, 7)] {
        ServiceExt::<Sent>::ready(&mut client).await.unwrap().call(get("/")).await.unwrap();
        assert_eq!((asked.load(Ordering::Relaxed), upstream.sent()), (requests, sent));
    }
}

/// Tower clones the policy for each request, and the clone's session is its own.
#[tokio::test(start_paused = true)]
async fn each_request_has_a_session_of_its_own() {
    let upstream = Upstream::statuses([503]);
    let layer = RetryLayer::new(A_SECOND).max_elapsed(Duration::from_secs(3));
    let mut client = Retry::new(TowerPolicy::new(layer), upstream.handle());
    for sent in [3, 6, 9] {
        let response = ServiceExt::<Sent>::ready(&mut client).await.unwrap().call(get("/")).await.unwrap();
        assert_eq!((info(&response).attempts(), upstream.sent()), (3, sent));
        assert_eq!(info(&response).reason(), Some(GiveUpReason::MaxAttempts));
        // Longer than the deadline, which starts anew.
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
}

/// What tower's `Retry` does not ask its policy about: the error of readiness hides the outcome before. But what was
/// not sent costs nothing.
#[tokio::test(start_paused = true)]
async fn a_resend_that_does_not_go_out_is_refunded() {
    let budget = scarce();
    let (mock, mut handle) = tower_test::mock::pair::<Sent, Answer>();
    let layer = RetryLayer::new(A_SECOND).budget(budget.clone());
    let sent = tokio::spawn(Retry::new(TowerPolicy::new(layer), mock).oneshot(get("/")));
    let (_, respond) = next(&mut handle).await;
    respond.send_response(status(503));
    handle.send_error("the client is broken");
    let error = eventually(sent).await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the client is broken");
    assert_eq!(budget.tokens(), 10.0);
}

/// Concrete errors are read as they are below the layer.
#[tokio::test(start_paused = true)]
async fn concrete_errors_are_read_too() {
    let service = tower::service_fn(|request: Sent| async move {
        if AttemptNumber::from_request(&request) == 1 { Err(refused()) } else { Ok(status(200)) }
    });
    let client = Retry::new(TowerPolicy::new(RetryLayer::new(A_SECOND)), service);
    assert_status(&client.oneshot(request(Method::POST, "/", "")).await.unwrap(), 200);
}
