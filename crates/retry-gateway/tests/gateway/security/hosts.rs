//! Which host a request is for: all who decide by it, and the upstream, see the same one.

use super::{OK, Recorder, exchange};
use crate::client::header;
use crate::process::Gateway;

/// Two routes by host, to upstreams that keep it.
fn gateway(inner: &Recorder, outer: &Recorder, host: &str) -> Gateway {
    Gateway::by(&format!(
        "[upstreams.inner]\nendpoints = [{:?}]\nhost = {host:?}\n[upstreams.outer]\nendpoints = [{:?}]\nhost = {host:?}\n\
         [[routes]]\nhost = \"inner.example\"\nupstream = \"inner\"\n[[routes]]\nupstream = \"outer\"\n",
        inner.url(),
        outer.url()
    ))
}

#[test]
fn who_routes_and_who_is_asked_agree_on_one_host() {
    let (inner, outer) = (Recorder::start(OK), Recorder::start(OK));
    let gateway = gateway(&inner, &outer, "preserve");
    // The start line and lines of a request; the host that the upstream sees, if it sees anything.
    let rows = [
        ("GET /a HTTP/1.1", "host: inner.example\r\n", Some("inner.example")),
        ("GET /a HTTP/1.1", "host: INNER.example:80\r\n", Some("INNER.example:80")),
        ("GET /a HTTP/1.1", "host: outer.example\r\n", Some("outer.example")),
        ("GET /a HTTP/1.0", "", Some("")),
        ("GET /a HTTP/1.1", "", None),
        ("GET /a HTTP/1.1", "host:\r\n", None),
        ("GET /a HTTP/1.1", "host: outer.example\r\nhost: inner.example\r\n", None),
        ("GET /a HTTP/1.1", "host: inner.example\r\nhost: inner.example\r\n", None),
        ("GET /a HTTP/1.1", "host: outer.example, inner.example\r\n", None),
        ("GET /a HTTP/1.1", "host: outer.example/inner.example\r\n", None),
        ("GET /a HTTP/1.1", "host: inner.example@outer.example\r\n", None),
        ("GET /a HTTP/1.1", "host: http://outer.example\r\n", None),
        ("GET /a HTTP/1.1", "host: outer.example:80:81\r\n", None),
        ("GET /a HTTP/1.1", "host: outer.example:x\r\n", None),
        ("GET /a HTTP/1.1", "host: outer.example#\r\n", None),
        ("GET /a HTTP/1.1", "host: outer example\r\n", None),
        ("GET /a HTTP/1.1", "host: [::1\r\n", None),
        // RFC 9112 section 3.2.2.
        ("GET http://inner.example/a HTTP/1.1", "host: outer.example\r\n", Some("inner.example")),
        ("GET http://outer.example/a HTTP/1.1", "host: inner.example\r\n", Some("outer.example")),
        ("GET http://outer.example/a HTTP/1.1", "", None),
        ("GET http://u:p@outer.example/a HTTP/1.1", "host: outer.example\r\n", None),
        ("GET http://inner.example@outer.example/a HTTP/1.1", "host: outer.example\r\n", None),
        ("GET http:///a HTTP/1.1", "host: outer.example\r\n", None),
    ];
    for (start, lines, expected) in rows {
        let before = (inner.messages().len(), outer.messages().len());
        let sent = format!("{start}\r\n{lines}connection: close\r\n\r\n");
        let (said, is_closed) = exchange(gateway.address, sent.as_bytes());
        let (inner, outer) = (inner.messages().split_off(before.0), outer.messages().split_off(before.1));
        let seen: Vec<_> = inner.iter().chain(&outer).collect();
        match (expected, &seen[..]) {
            (None, []) => {
                assert!(said.starts_with("HTTP/1.1 400 ") && is_closed, "{start} {lines:?}: {said}");
            }
            (Some(host), [seen]) => {
                let is_inner = host.to_ascii_lowercase().starts_with("inner.example");
                assert_eq!(inner.len(), usize::from(is_inner), "{start} {lines:?}");
                let there = header(&seen.head, "host").unwrap();
                // Who named none gets the endpoint's.
                assert!(there == host || host.is_empty(), "{start} {lines:?}: {}", seen.head);
                assert_eq!(header(&seen.head, "x-forwarded-host").unwrap_or(""), host, "{start} {lines:?}");
                assert!(seen.head.starts_with("GET /a HTTP/1.1"), "{}", seen.head);
            }
            (expected, seen) => panic!("{start} {lines:?}: {expected:?} {seen:?} {said}"),
        }
    }
}

#[test]
fn an_upstream_is_called_as_its_rule_says_whatever_the_client_says() {
    for (rule, is_ours) in [("endpoint", true), ("fixed.example", false)] {
        let (inner, outer) = (Recorder::start(OK), Recorder::start(OK));
        let gateway = gateway(&inner, &outer, rule);
        let sent = "GET http://outer.example/a HTTP/1.1\r\nhost: b\r\nconnection: close, host\r\n\r\n";
        exchange(gateway.address, sent.as_bytes());
        let expected = if is_ours { outer.address.to_string() } else { rule.to_owned() };
        assert_eq!(header(&outer.messages()[0].head, "host"), Some(&*expected));
    }
}
