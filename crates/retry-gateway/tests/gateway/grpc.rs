//! gRPC through the gateway: the codes of calls, pushback, and timeouts. The client is tonic's.

mod client;
mod interop;
mod local_replies;
mod server;
mod streams;

use std::time::Duration;

use serde_json::json;
use tonic::Code;

use self::client::{check_health, check_health_with};
use self::server::{Act, GrpcServer, Says};
use crate::connections::{state, with_admin};
use crate::process::Gateway;

/// A gateway before a server, with further lines of the route and its retries.
#[track_caller]
fn gateway(server: &GrpcServer, lines: &str) -> Gateway {
    Gateway::by(&format!(
        "[upstreams.api]\nendpoints = [\"{}\"]\nprotocol = \"http2\"\n[[routes]]\nupstream = \"api\"\n{lines}\n",
        server.url()
    ))
}

const PROFILE: &str = "profile = \"grpc\"";

/// Checks how often a call is sent that fails at first and would be served then, wherever the server tells the code.
#[track_caller]
fn check(lines: &str, status: &[(&'static str, &str)], is_resent: bool) {
    for says in [Says::InHead, Says::InTrailers] {
        let server = GrpcServer::start(vec![Act::fail(says, status), Act::Serve]);
        let outcome = check_health(&gateway(&server, lines));
        let sent = server.seen().len();
        assert_eq!(sent, if is_resent { 2 } else { 1 }, "{says:?} {status:?} {lines}: {outcome:?}");
        match outcome {
            Ok(()) => assert!(is_resent),
            Err(error) => {
                assert!(!is_resent, "{error:?}");
                assert_eq!((error.code() as i32).to_string(), status[0].1);
                assert_eq!(error.message(), "not now");
            }
        }
    }
}

#[test]
fn a_call_is_resent_after_the_codes_of_its_route() {
    for (word, number) in [
        ("cancelled", "1"),
        ("deadline-exceeded", "4"),
        ("resource-exhausted", "8"),
        ("internal", "13"),
        ("unavailable", "14"),
    ] {
        let lines =
            format!("[routes.retry]\nretry_on = [\"{word}\"]\nback_off = {{ base_interval = \"1ms\" }}");
        check(&lines, &[("grpc-status", number)], true);
        let other = if number == "14" { "13" } else { "14" };
        check(&lines, &[("grpc-status", other)], false);
    }
}

#[test]
fn the_profile_resends_what_is_unavailable_and_limits_that_name_a_time() {
    let pushback = ("grpc-retry-pushback-ms", "20");
    check(PROFILE, &[("grpc-status", "14")], true);
    check(PROFILE, &[("grpc-status", "8")], false);
    check(PROFILE, &[("grpc-status", "8"), pushback], true);
    check(PROFILE, &[("grpc-status", "13"), pushback], false);
    check(PROFILE, &[("grpc-status", "5")], false);
}

#[test]
fn a_route_without_words_of_grpc_reads_no_codes() {
    for says in [Says::InHead, Says::InTrailers] {
        let server = GrpcServer::start(vec![Act::fail(says, &[("grpc-status", "14")]), Act::Serve]);
        let error = check_health(&gateway(&server, "[routes.retry]\nmethods = \"all\"")).unwrap_err();
        assert_eq!((error.code(), server.seen().len()), (Code::Unavailable, 1), "{says:?}");
    }
}

#[test]
fn a_pushback_is_exact_and_a_negative_one_ends_the_call() {
    for says in [Says::InHead, Says::InTrailers] {
        let status = |pushback| [("grpc-status", "14"), ("grpc-retry-pushback-ms", pushback)];
        let server = GrpcServer::start(vec![Act::fail(says, &status("400")), Act::Serve]);
        check_health(&gateway(&server, PROFILE)).unwrap();
        let seen = server.seen();
        let gap = seen[1].at - seen[0].at;
        assert!(gap >= Duration::from_millis(400), "{gap:?}");
        for pushback in ["-1", "soon"] {
            check(PROFILE, &status(pushback), false);
        }
    }
}

#[test]
fn each_resend_tells_how_many_retries_came_before() {
    let server = GrpcServer::start(vec![Act::fail(Says::InHead, &[("grpc-status", "14")])]);
    let error = check_health(&gateway(&server, PROFILE)).unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::Unavailable, "not now"));
    let previous: Vec<_> =
        server.seen().iter().map(|seen| seen.header("grpc-previous-rpc-attempts")).collect();
    assert_eq!(previous, [None, Some("1".to_owned()), Some("2".to_owned())]);
    assert!(server.seen().iter().all(|seen| seen.header("x-retry-attempt").is_none()));
}

/// Retries on two levels would multiply.
#[test]
fn a_call_that_its_client_has_resent_is_sent_once() {
    let server = GrpcServer::start(vec![Act::fail(Says::InHead, &[("grpc-status", "14")]), Act::Serve]);
    let gateway = gateway(&server, PROFILE);
    let error = check_health_with(&gateway, &[("grpc-previous-rpc-attempts", "1")], None).unwrap_err();
    assert_eq!((error.code(), server.seen().len()), (Code::Unavailable, 1));
}

/// The log names the code of each attempt, and UNAVAILABLE counts against its endpoint where a 503 does.
#[test]
fn a_failed_call_is_in_the_log_and_counts_against_its_endpoint() {
    for (number, name, expected) in [("14", "UNAVAILABLE", "watched"), ("13", "INTERNAL", "healthy")] {
        let server = GrpcServer::start(vec![Act::fail(Says::InTrailers, &[("grpc-status", number)])]);
        let outliers = "outlier_detection = { status_codes = [503] }";
        let gateway = with_admin(&server.url(), outliers, PROFILE);
        for _ in 0..8 {
            check_health(&gateway).unwrap_err();
        }
        assert_eq!(state(&gateway), expected, "{name}");
        let line = &gateway.log(8)[0];
        assert_eq!((&line["status"], &line["attempts"][0]["error"]), (&json!(200), &json!(name)), "{line}");
    }
}

/// A server that is not there yet answers with the HTTP status of its load balancer.
#[test]
fn a_503_is_resent_and_a_502_is_not() {
    for (status, is_resent) in [(503, true), (502, false)] {
        let server = GrpcServer::start(vec![Act::Status(status), Act::Serve]);
        let outcome = check_health(&gateway(&server, PROFILE));
        assert_eq!(
            (outcome.is_ok(), server.seen().len() == 2),
            (is_resent, is_resent),
            "{status} {outcome:?}"
        );
    }
}

#[test]
fn each_attempt_carries_what_is_left_of_the_timeout() {
    let failure = Act::fail(Says::InTrailers, &[("grpc-status", "14"), ("grpc-retry-pushback-ms", "300")]);
    let timeout = Some(Duration::from_secs(20));
    let server = GrpcServer::start(vec![failure]);
    check_health_with(&gateway(&server, PROFILE), &[], timeout).unwrap_err();
    let seen = server.seen();
    let left: Vec<_> = seen.iter().map(|seen| seen.timeout().unwrap()).collect();
    assert_eq!(left.len(), 3, "{left:?}");
    assert_eq!(left[0], Duration::from_secs(20), "the first attempt has all of it");
    for (attempt, before) in left[1..].iter().zip(&left) {
        let (passed, least) = (*before - *attempt, Duration::from_millis(300));
        assert!((least..least * 10).contains(&passed), "{left:?}");
    }
}

#[test]
fn the_wait_for_a_pace_is_a_part_of_the_timeout() {
    let failure = Act::fail(Says::InHead, &[("grpc-status", "8"), ("grpc-retry-pushback-ms", "400")]);
    for key in ["upstream", "endpoint"] {
        let server = GrpcServer::start(vec![failure.clone(), Act::Serve]);
        let gateway = Gateway::by(&format!(
            "[upstreams.api]\nendpoints = [\"{}\"]\npace = {{ key = \"{key}\" }}\n\
             [[routes]]\nupstream = \"api\"\n{PROFILE}\n",
            server.url()
        ));
        check_health_with(&gateway, &[], Some(Duration::from_secs(20))).unwrap();
        let left: Vec<_> = server.seen().iter().map(|seen| seen.timeout().unwrap()).collect();
        let passed = Duration::from_secs(20) - left[1];
        assert!((Duration::from_millis(400)..Duration::from_secs(4)).contains(&passed), "{key} {left:?}");
    }
}

/// The client is gone by then, and gets the failure while it is still there.
#[test]
fn a_resend_that_comes_after_the_timeout_is_not_sent() {
    let failure = Act::fail(Says::InHead, &[("grpc-status", "14"), ("grpc-retry-pushback-ms", "5000")]);
    let server = GrpcServer::start(vec![failure, Act::Serve]);
    let timeout = Some(Duration::from_secs(3));
    let error = check_health_with(&gateway(&server, PROFILE), &[], timeout).unwrap_err();
    assert_eq!((error.code(), error.message(), server.seen().len()), (Code::Unavailable, "not now", 1));
}
