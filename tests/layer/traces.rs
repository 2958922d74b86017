//! What is told to `tracing`: an event per decision, a span per resend.

use std::time::Duration;

use http::Method;
use tower::ServiceBuilder;
use tower_http_retry::RetryLayer;

use crate::support::capture::Capture;
use crate::support::upstream::Upstream;
use crate::support::{A_SECOND, Inner, eventually, get, next, refused, request, status, with_header};

/// What is told of a session over this upstream.
async fn told(upstream: Upstream, request: crate::support::Sent) -> Vec<String> {
    let capture = Capture::start();
    let layer = RetryLayer::new(A_SECOND);
    let client = ServiceBuilder::new().layer(layer).service(upstream);
    let _ = client.oneshot(request).await;
    capture.lines()
}

#[tokio::test(start_paused = true)]
async fn a_first_answer_is_not_worth_a_word() {
    assert!(told(Upstream::statuses([200]), get("http://host.example/secret")).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_session_that_resends_tells_of_each_decision() {
    let upstream = Upstream::new(|number| match number {
        1 => Err(refused()),
        2 => Ok(with_header(429, "retry-after", "2")),
        _ => Ok(status(200)),
    });
    let lines = told(upstream, get("http://host.example/secret")).await;
    assert_eq!(
        lines,
        [
            "+ retry http.request.method=GET server.address=host.example",
            "retry: will resend attempt=1 cause=never-sent delay_ms=1000",
            "+ retry:resend attempt=2 http.request.resend_count=1",
            "retry: will resend attempt=2 cause=throttled hint_ms=2000 hint_header=retry-after delay_ms=2000",
            "+ retry:resend attempt=3 http.request.resend_count=2",
            "retry: accepted attempt=3 cause=throttled waited_ms=3000",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_that_gives_up_tells_why() {
    let lines = told(Upstream::statuses([500]), get("http://host.example/")).await;
    assert_eq!(
        lines.last().unwrap(),
        "WARN retry: gave up attempt=3 cause=transient reason=max-attempts waited_ms=2000"
    );
}

/// One that gives up at once has no span of its own, and tells all the same.
#[tokio::test(start_paused = true)]
async fn a_session_that_gives_up_at_once_tells_why() {
    let upstream = Upstream::answers(|_| with_header(429, "retry-after", "3600"));
    let lines = told(upstream, request(Method::POST, "http://host.example/", "text")).await;
    assert_eq!(lines, ["WARN : gave up attempt=1 cause=throttled reason=max-elapsed waited_ms=0"]);
}

/// OpenTelemetry's `server.address` is a name or an address; and who logs in how is nobody's business.
#[tokio::test(start_paused = true)]
async fn the_address_of_the_server_is_told_without_port_and_credentials() {
    for uri in
        ["http://user:password@host.example:8080/", "http://host.example:8080/", "http://host.example/"]
    {
        let lines = told(Upstream::statuses([503, 200]), get(uri)).await;
        assert_eq!(lines[0], "+ retry http.request.method=GET server.address=host.example", "{uri}");
    }
}

/// What inner services tell during a resend is told inside of its span.
#[tokio::test(start_paused = true)]
async fn inner_services_speak_inside_of_the_span_of_their_attempt() {
    let capture = Capture::start();
    let client = ServiceBuilder::new()
        .layer(RetryLayer::new(A_SECOND))
        .map_request(|request: Inner| {
            tracing::info!(target: "tower_http_retry::test", "called");
            request
        })
        .map_future(|future| async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            tracing::info!(target: "tower_http_retry::test", "polled");
            future.await
        })
        .service(Upstream::statuses([503, 200]));
    client.oneshot(get("http://host.example/")).await.unwrap();
    let spoken: Vec<_> = capture.lines().into_iter().filter(|line| line.ends_with("ed")).collect();
    assert_eq!(spoken, [": called", ": polled", "retry:resend: called", "retry:resend: polled"]);
}

/// The failed response was too long to keep, and the service is ready only after the deadline.
#[tokio::test(start_paused = true)]
async fn a_late_resend_is_told_of() {
    let capture = Capture::start();
    let (mock, mut handle) = tower_test::mock::pair::<Inner, crate::support::Answer>();
    handle.allow(1);
    let layer = RetryLayer::new(A_SECOND).max_elapsed(Duration::from_secs(5));
    let client = ServiceBuilder::new().layer(layer).service(mock);
    let sent = tokio::spawn(client.oneshot(get("http://host.example/")));
    let (_, respond) = next(&mut handle).await;
    respond.send_response(status(503).map(|_| "a long page".repeat(10_000).into()));
    tokio::time::sleep(Duration::from_secs(9)).await;
    handle.allow(1);
    let (_, respond) = next(&mut handle).await;
    respond.send_response(status(200));
    eventually(sent).await.unwrap().unwrap();
    assert!(capture.lines().contains(&"retry: resends after the deadline attempt=1 late=true".to_owned()));
}

/// Nobody listens, and nothing breaks.
#[tokio::test(start_paused = true)]
async fn without_a_subscriber_nothing_is_told() {
    let upstream = Upstream::statuses([503, 200]);
    let client = ServiceBuilder::new().layer(RetryLayer::new(A_SECOND)).service(upstream.handle());
    client.oneshot(get("/")).await.unwrap();
    assert_eq!(upstream.sent(), 2);
}
