//! Replies of the gateway's own to gRPC calls: a code, a message and a pushback, where other requests get problem details.

use std::thread;
use std::time::{Duration, Instant};

use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;

use super::client::{RUNTIME, check_health, client};
use super::server::{Act as Call, GrpcServer, Says};
use super::{PROFILE, gateway};
use crate::client::call;
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, nobody, say};

/// A gateway with an admin listener, before a server of HTTP/1.1 that knows nothing of gRPC.
#[track_caller]
fn before(endpoint: &str, top: &str, upstream: &str, route: &str) -> Gateway {
    Gateway::by(&format!(
        "admin = \"127.0.0.1:0\"\n{top}\n[upstreams.api]\nendpoints = [\"{endpoint}\"]\nprotocol = \"http1\"\n{upstream}\n\
         [[routes]]\nupstream = \"api\"\nprofile = \"grpc\"\n{route}\n"
    ))
}

fn pushback(status: &Status) -> Option<&str> {
    status.metadata().get("grpc-retry-pushback-ms").map(|value| value.to_str().unwrap())
}

/// Checks what the client of a unary call and that of a stream get, and that the log has both statuses.
#[track_caller]
fn check(gateway: &Gateway, code: Code, words: &str, expected: &str) {
    let unary = check_health(gateway).unwrap_err();
    let stream =
        RUNTIME.block_on(async { client(gateway).watch(HealthCheckRequest::default()).await }).unwrap_err();
    for status in [&unary, &stream] {
        assert_eq!(status.code(), code, "{status:?}");
        assert!(status.message().contains(words), "{status:?}");
        assert_eq!(pushback(status), Some(expected), "{status:?}");
    }
    let lines = gateway.log(2);
    let line = lines.last().unwrap();
    assert_eq!(
        (line["status"].as_u64(), line["grpc_status"].as_i64()),
        (Some(200), Some(code as i64)),
        "{line}"
    );
}

#[test]
fn an_upstream_that_cannot_be_reached_is_unavailable() {
    let words = "The upstream cannot be reached: the upstream could not be reached";
    check(&before(&nobody(), "", "", "retry = false"), Code::Unavailable, words, "1000");
    // The gateway has resent the call itself.
    let gateway = before(&nobody(), "", "", "");
    check(&gateway, Code::Unavailable, words, "-1");
    assert_eq!(gateway.metric("upstream_rq_grpc_status_total{upstream=\"api\",status=\"14\"}"), 2.0);
    assert_eq!(gateway.metric_of_api("upstream_rq_retry_success_total"), 0.0);
    let down = "wait_while_down = \"100ms\"";
    let words = "no endpoint of the upstream took a connection within wait_while_down";
    check(&before(&nobody(), "", down, "retry = false"), Code::Unavailable, words, "-1");
}

#[test]
fn a_timeout_is_the_end_of_the_deadline() {
    let upstream = Upstream::answering(vec![Act::Hang]);
    for route in ["retry = { per_try_timeout = \"200ms\" }", "timeout = \"200ms\""] {
        let gateway = before(&upstream.url(), "", "", route);
        check(&gateway, Code::DeadlineExceeded, "within per_try_timeout or timeout", "-1");
    }
}

/// Its client may be gone, and would not end it.
#[test]
fn a_call_ends_with_its_own_timeout() {
    let upstream = Upstream::answering(vec![Act::Hang]);
    let fallback = "[upstreams.other]\nendpoints = [\"http://127.0.0.1:1\"]\n";
    for (endpoint, lines, route, code) in [
        (upstream.url(), "", "", Code::DeadlineExceeded),
        (upstream.url(), fallback, "fallback = { upstreams = [\"other\"] }", Code::DeadlineExceeded),
        (nobody(), "wait_while_down = \"60s\"", "", Code::Unavailable),
    ] {
        let gateway = before(&endpoint, "", lines, route);
        let started = Instant::now();
        let headers = ["content-type: application/grpc", "grpc-timeout: 500m"];
        let reply = call(gateway.address, "POST /grpc.health.v1.Health/Check", &headers, "");
        let took = started.elapsed();
        let expected = (code as i32).to_string();
        assert_eq!(reply.header("grpc-status"), Some(expected.as_str()), "{route} {}", reply.head);
        assert!(took >= Duration::from_millis(500) && took < Duration::from_secs(10), "{took:?}");
    }
}

/// The server may have processed the call.
#[test]
fn a_connection_that_breaks_is_unavailable_and_must_not_be_resent() {
    let upstream = Upstream::answering(vec![Act::Close]);
    check(&before(&upstream.url(), "", "", ""), Code::Unavailable, "failed before the response", "-1");
    let upstream = Upstream::answering(vec![Act::Say("garbage\r\n\r\n".to_owned())]);
    check(&before(&upstream.url(), "", "", ""), Code::Internal, "is not valid HTTP", "-1");
}

#[test]
fn limits_are_exhausted_resources() {
    let upstream = Upstream::answering(vec![Act::Hang]);
    let gateway = before(&upstream.url(), "", "max_requests = 1", "");
    let mut first = RUNTIME.block_on(async { client(&gateway) });
    let held = RUNTIME.spawn(async move { first.check(HealthCheckRequest::default()).await });
    upstream.wait_seen(1);
    check(&gateway, Code::ResourceExhausted, "max_requests limit is reached", "-1");
    held.abort();

    // All calls with the key are stopped for longer than the route's timeout.
    let upstream = Upstream::answering(vec![say(429, &["retry-after: 30"], "")]);
    let gateway =
        before(&upstream.url(), "", "pace = { key = \"upstream\" }", "timeout = \"1s\"\nretry = false");
    let is_paced = || check_health(&gateway).unwrap_err().code() == Code::ResourceExhausted;
    assert!((0..20).any(|_| is_paced()), "refusals in a row stop no call");
    // The call was not sent, and the client learns when the limit opens.
    let status = check_health(&gateway).unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    assert!(status.message().contains("the upstream's limit ends after the route's timeout"), "{status:?}");
    let millis: u64 = pushback(&status).unwrap().parse().expect("a time");
    assert!((5_000..=30_000).contains(&millis), "{status:?}");

    let gateway = before(&nobody(), "limits = { headers = 1 }", "", "");
    check(&gateway, Code::ResourceExhausted, "more headers than limits.headers allows", "-1");
}

#[test]
fn a_method_without_a_route_is_unimplemented() {
    let gateway = before(&nobody(), "", "", "path_prefix = \"/other\"");
    check(&gateway, Code::Unimplemented, "no route matches the request", "-1");
}

#[test]
fn a_call_that_waits_at_the_end_of_a_shutdown_may_be_resent() {
    let gateway = before(&nobody(), "drain_timeout = \"1s\"", "wait_while_down = \"30s\"", "");
    let waiting = thread::scope(|scope| {
        let waiting = scope.spawn(|| check_health(&gateway).unwrap_err());
        while gateway.metric_of_api("upstream_rq_pending_active") != 1.0 {
            thread::sleep(Duration::from_millis(10));
        }
        gateway.terminate();
        waiting.join().unwrap()
    });
    assert_eq!((waiting.code(), pushback(&waiting)), (Code::Unavailable, Some("1000")), "{waiting:?}");
    assert!(waiting.message().contains("still waited at the end of drain_timeout"), "{waiting:?}");
}

/// A route with a fallback makes the same replies, and so does one that is not for gRPC.
#[test]
fn a_reply_goes_by_the_request_and_not_by_the_route() {
    let (first, second) = (nobody(), nobody());
    let gateway = Gateway::by(&format!(
        "[upstreams.api]\nendpoints = [\"{first}\"]\n[upstreams.other]\nendpoints = [\"{second}\"]\n\
         [[routes]]\nupstream = \"api\"\nfallback = {{ upstreams = [\"other\"] }}\nretry = false\n"
    ));
    check(&gateway, Code::Unavailable, "the upstream could not be reached", "1000");
    let json = ["content-type: application/json"];
    let reply = call(gateway.address, "POST /shop.Orders/Place", &json, "{}");
    assert_eq!((reply.status, reply.header("content-type")), (503, Some("application/problem+json")));
    assert_eq!(reply.header("grpc-status"), None);
    // Over HTTP/1.1 a head can have the status too, and gRPC-Web reads it there.
    for (sent, expected) in
        [("application/grpc", "application/grpc"), ("application/grpc-web+proto", "application/grpc-web")]
    {
        let reply =
            call(gateway.address, "POST /shop.Orders/Place", &[&format!("content-type: {sent}")], "x");
        assert_eq!((reply.status, reply.header("grpc-status")), (200, Some("14")), "{}", reply.head);
        assert_eq!(reply.header("content-type"), Some(expected));
        assert_eq!((reply.header("retry-after"), &*reply.body), (None, ""));
    }
}

/// A response of the server is passed on as it came, and says in the words for SDKs that the gateway has resent the call.
#[test]
fn a_failed_response_gets_no_pushback_that_its_server_did_not_send() {
    let server = GrpcServer::start(vec![Call::fail(Says::InTrailers, &[("grpc-status", "14")])]);
    let gateway = gateway(&server, PROFILE);
    let status = check_health(&gateway).unwrap_err();
    assert_eq!((status.code(), status.message(), server.seen().len()), (Code::Unavailable, "not now", 3));
    assert_eq!(pushback(&status), None);
    assert!(status.metadata().get("x-should-retry").is_some_and(|value| value == "false"), "{status:?}");
}

/// The code of a call that ends in trailers, after messages, is in the log and in the metrics.
#[test]
fn the_log_has_the_code_from_wherever_it_comes() {
    let server = GrpcServer::start(vec![
        Call::Serve,
        Call::fail(Says::InHead, &[("grpc-status", "5")]),
        Call::fail_after_message(&[("grpc-status", "14")]),
    ]);
    let gateway = Gateway::by(&format!(
        "admin = \"127.0.0.1:0\"\n[upstreams.api]\nendpoints = [\"{}\"]\n[[routes]]\nupstream = \"api\"\n{PROFILE}\n",
        server.url()
    ));
    for _ in 0..3 {
        let _ = check_health(&gateway);
    }
    call(gateway.address, "GET /", &[], "");
    let codes: Vec<_> = gateway.log(4).iter().map(|line| line["grpc_status"].as_u64()).collect();
    assert_eq!(codes, [Some(0), Some(5), Some(14), None]);
    for (status, count) in [("0", 1.0), ("5", 1.0), ("14", 1.0)] {
        let name = format!("upstream_rq_grpc_status_total{{upstream=\"api\",status=\"{status}\"}}");
        assert_eq!(gateway.metric(&name), count, "{status}");
    }
}
