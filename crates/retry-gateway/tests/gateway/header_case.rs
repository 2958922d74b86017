//! The case of header names over HTTP/1.1.

use crate::client::call;
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, response, say};

/// A gateway with lines at the top of its file, in front of one endpoint.
fn gateway(top: &str, upstream: &str, url: &str) -> Gateway {
    Gateway::by(&format!(
        "{top}\n[upstreams.api]\nendpoints = [{url:?}]\n{upstream}\n[[routes]]\nupstream = \"api\"\n\
         retry.back_off.base_interval = \"1ms\"\n"
    ))
}

/// The names of a head, in their order.
fn names(head: &str) -> Vec<&str> {
    head.lines().skip(1).filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect()
}

#[track_caller]
fn check(top: &str, of_request: [&str; 4], of_response: [&str; 4]) {
    let refused = say(503, &[], "");
    let answer = Act::Say(response(200, &["X-SUM: 1", "eTag: \"a\"", "x-b: 1"], "done"));
    let upstream = Upstream::answering(vec![refused, answer]);
    let gateway = gateway(top, "", &upstream.url());
    for method in ["GET /", "PUT /"] {
        let reply = call(gateway.address, method, &["X-API-Key: 1", "x-b: 1", "ACCEPT: a"], "hello");
        assert_eq!((reply.status, reply.body.as_str()), (200, "done"), "{top}");
        for name in of_response {
            assert!(names(&reply.head).contains(&name), "{top}: {name}: {}", reply.head);
        }
    }
    // The first attempt and the resend of the first request, and the second request on a connection that has served one.
    let seen = upstream.seen();
    assert_eq!(seen.len(), 3);
    for seen in seen {
        for name in of_request {
            assert!(names(&seen.head).contains(&name), "{top}: {name}: {}", seen.head);
        }
        assert_eq!(seen.body, "hello");
    }
}

#[test]
fn names_go_out_in_lower_case_unless_a_key_says_otherwise() {
    check("", ["x-api-key", "x-b", "accept", "forwarded"], ["x-sum", "etag", "x-b", "date"]);
}

#[test]
fn names_keep_their_case_on_each_attempt_in_both_directions() {
    check(
        "preserve_header_case = true",
        ["X-API-Key", "x-b", "ACCEPT", "forwarded"],
        ["X-SUM", "eTag", "x-b", "date"],
    );
}

#[test]
fn names_have_capitals_where_peers_want_them() {
    check(
        "title_case_headers = true",
        ["X-Api-Key", "X-B", "Accept", "Forwarded"],
        ["X-Sum", "Etag", "X-B", "Date"],
    );
}

#[test]
fn names_that_keep_their_case_go_before_capitals() {
    check(
        "preserve_header_case = true\ntitle_case_headers = true",
        ["X-API-Key", "x-b", "ACCEPT", "Forwarded"],
        ["X-SUM", "eTag", "x-b", "Date"],
    );
}

/// HTTP/2 has names in lower case only, so a name in another case would be malformed there.
#[test]
fn http2_between_two_gateways_has_lower_case_and_capitals_behind_it() {
    let upstream = Upstream::answering(vec![say(200, &["X-SUM: 1"], "")]);
    let keys = "preserve_header_case = true\ntitle_case_headers = true";
    let back = gateway(keys, "", &upstream.url());
    let front = gateway(keys, "protocol = \"http2\"", &format!("http://{}", back.address));
    let reply = call(front.address, "GET /", &["X-API-Key: 1"], "");
    assert_eq!(reply.status, 200);
    assert!(names(&reply.head).contains(&"X-Sum"), "{}", reply.head);
    assert!(names(&upstream.seen()[0].head).contains(&"X-Api-Key"), "{}", upstream.seen()[0].head);
}
