//! The limits of the HTTP library: interim responses, and bytes in a target that RFC 3986 does not allow.

use crate::client::call;
use crate::configured::gateway;
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, response, say};

/// The page of the gateway names these bytes.
#[test]
fn a_target_is_passed_on_as_it_came_or_is_a_bad_request() {
    let upstream = Upstream::answering(vec![say(200, &[], "")]);
    let gateway = Gateway::before(&upstream.url(), &[]);
    let mut passed = Vec::new();
    for (target, expected) in [
        ("/a\"b", 200),
        ("/{a}", 200),
        ("/a^b|c[d]\\e", 200),
        ("/?q={a}|`^[]\\", 200),
        ("/%3Ca%3E?q=%22", 200),
        ("/a<b", 400),
        ("/a>b", 400),
        ("/a`b", 400),
        ("/?q=\"", 400),
        ("/?q=<a>", 400),
    ] {
        assert_eq!(call(gateway.address, &format!("GET {target}"), &[], "").status, expected, "{target}");
        if expected == 200 {
            passed.push(target);
        }
    }
    let seen: Vec<_> =
        upstream.seen().iter().map(|seen| seen.head.split(' ').nth(1).unwrap().to_owned()).collect();
    assert_eq!(seen, passed);
}

#[test]
fn a_question_to_the_server_as_a_whole_reaches_it_over_both_protocols() {
    let upstream = Upstream::answering(vec![say(204, &["allow: GET"], "")]);
    let back = gateway(&[upstream.url()], "", "", "");
    let front = gateway(&[format!("http://{}", back.address)], "protocol = \"http2\"", "", "");
    for address in [back.address, front.address] {
        let reply = call(address, "OPTIONS *", &[], "");
        assert_eq!((reply.status, reply.header("allow")), (204, Some("GET")));
        assert_eq!(call(address, "GET *", &[], "").status, 404, "only OPTIONS has this target");
    }
    let below = gateway(&[upstream.url()], "", "path_prefix = \"/v1\"", "");
    assert_eq!(call(below.address, "OPTIONS *", &[], "").status, 404);
    let heads: Vec<_> =
        upstream.seen().iter().map(|seen| seen.head.lines().next().unwrap().to_owned()).collect();
    assert_eq!(heads, ["OPTIONS * HTTP/1.1"; 2]);
}

#[test]
fn a_client_sees_no_interim_response_and_all_of_the_final_one() {
    for interim in [
        "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n",
        "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ] {
        let answer = Act::Say(format!("{interim}{}", response(200, &["x-final: 1"], "done")));
        let upstream = Upstream::answering(vec![answer]);
        let gateway = Gateway::before(&upstream.url(), &[]);
        for method in ["GET /", "POST /"] {
            let reply = call(gateway.address, method, &[], "");
            assert_eq!(
                (reply.status, reply.body.as_str(), reply.header("link")),
                (200, "done", None),
                "{interim}"
            );
            assert_eq!(reply.header("x-final"), Some("1"));
        }
        assert_eq!(upstream.seen().len(), 2);
    }
}
