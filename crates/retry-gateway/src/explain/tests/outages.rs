//! Requests to upstreams whose endpoints take no connections.

use super::*;

/// The lines that explain a connection that nobody took.
fn lines(change: impl Fn(&mut RouteConfig, &mut UpstreamConfig), endpoints: usize) -> Vec<String> {
    let uris = (1..=endpoints).map(|number| format!("http://10.0.0.{number}").parse().unwrap()).collect();
    let mut upstream = UpstreamConfig::with_endpoints(uris);
    let mut route = RouteConfig::with_upstream("api", Profile::Default, false);
    change(&mut route, &mut upstream);
    let outcome = CaseOutcome::Failure(FailureKind::NeverSent);
    let case = Case { method: Method::POST, request: HeaderMap::new(), outcome };
    explain(&route, Some(&upstream), &case, SystemTime::UNIX_EPOCH).lines().map(str::to_owned).collect()
}

const RETRYABLE: &str = "retryable after a failed connect: never-sent (RFC 9110 section 9.2.2)";
const AT_ONCE: &str = "attempt 2: 0.000 s after the previous outcome";

#[test]
fn untried_endpoints_are_asked_at_once() {
    let more = |route: &mut RouteConfig, _: &mut UpstreamConfig| {
        route.retry.as_mut().unwrap().num_retries = 3;
    };
    assert_eq!(
        lines(more, 3),
        [
            RETRYABLE,
            AT_ONCE,
            "attempt 3: 0.000 s after the previous outcome",
            "attempt 4: 0.000 s to 0.025 s after the previous outcome",
            "after attempt 4: an error of the gateway is returned to the client",
        ]
    );
}

#[test]
fn a_request_waits_for_the_first_endpoint_that_is_back() {
    let wait = |_: &mut RouteConfig, upstream: &mut UpstreamConfig| {
        upstream.wait_while_down = Duration::from_secs(5);
    };
    let end = "returned to the client: no endpoint took a connection within wait_while_down";
    let waits = |number: u32, seconds: &str| {
        format!(
            "attempt {number}: as soon as an endpoint takes connections, at most {seconds} s after the arrival of the request"
        )
    };
    assert_eq!(lines(wait, 1), [RETRYABLE, &waits(2, "5.000"), end]);
    assert_eq!(lines(wait, 4), [RETRYABLE, AT_ONCE, &waits(3, "5.000"), end]);
    let once = |route: &mut RouteConfig, upstream: &mut UpstreamConfig| {
        wait(route, upstream);
        (route.retry, route.timeout) = (None, Duration::from_secs(3));
    };
    assert_eq!(lines(once, 4), [RETRYABLE, &waits(2, "3.000"), end]);
    let next = |route: &mut RouteConfig, upstream: &mut UpstreamConfig| {
        wait(route, upstream);
        let upstreams = vec!["b".to_owned()];
        route.fallback = Some(FallbackConfig { upstreams, after: Duration::from_secs(1) });
    };
    let last = "sent to b: no endpoint took a connection within wait_while_down";
    assert_eq!(lines(next, 1), [RETRYABLE, &waits(2, "1.000"), last]);
}
