use std::net::IpAddr;

use super::*;
use crate::message::headers::host_of;

fn client(is_trusted: bool) -> Arc<Downstream> {
    Arc::new(Downstream::new(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)), false, is_trusted))
}

fn send_on(arrived: &mut Request<()>, client: &Arc<Downstream>) {
    let vetted = Vetted { found: Found::of(arrived.headers()), host: host_of(arrived) };
    let sent = request(arrived, vetted, client);
    sent.origin.tell(arrived.headers_mut());
}

/// What is left of these headers, and what is there of ours.
#[track_caller]
fn check(lines: &[(&str, &str)], expected: &[(&str, Option<&str>)]) {
    check_from(&client(false), lines, expected);
}

#[track_caller]
fn check_from(client: &Arc<Downstream>, lines: &[(&str, &str)], expected: &[(&str, Option<&str>)]) {
    let mut arrived = Request::get("/").body(()).unwrap();
    for (name, value) in lines {
        arrived.headers_mut().append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
    }
    send_on(&mut arrived, client);
    for (name, value) in expected {
        let found = arrived.headers().get(*name).map(|value| value.to_str().unwrap());
        assert_eq!(found, *value, "{name} of {lines:?}");
    }
}

/// Those that RFC 9110 section 7.6.1 and RFC 7540 section 3.2.1 name.
#[test]
fn each_header_for_one_connection_goes_no_further() {
    for name in [
        "connection",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "transfer-encoding",
    ] {
        check(&[(name, "x-any")], &[(name, None)]);
    }
    check(&[("connection", "keep-alive"), ("x-yours", "1")], &[("connection", None), ("x-yours", Some("1"))]);
    check(
        &[("connection", "keep-alive"), ("connection", "x-mine"), ("x-mine", "1")],
        &[("connection", None), ("x-mine", None)],
    );
}

#[test]
fn what_is_for_this_connection_stays_here() {
    check(
        &[("connection", "close, X-Mine"), ("x-mine", "1"), ("keep-alive", "1"), ("x-yours", "1")],
        &[("connection", None), ("x-mine", None), ("keep-alive", None), ("x-yours", Some("1"))],
    );
    check(
        &[("proxy-connection", "close"), ("upgrade", "h2c")],
        &[("proxy-connection", None), ("upgrade", None)],
    );
    check(
        &[("transfer-encoding", "chunked"), ("http2-settings", "AA")],
        &[("transfer-encoding", None), ("http2-settings", None)],
    );
}

#[test]
fn trailers_are_taken_where_the_client_takes_them() {
    check(&[("te", "trailers, gzip")], &[("te", Some("trailers"))]);
    check(&[("te", "gzip")], &[("te", None)]);
    check(&[("te", "trailers"), ("connection", "te")], &[("te", Some("trailers"))]);
}

#[test]
fn who_cannot_be_asked_for_a_body_expects_nothing() {
    for (version, expected) in [(Version::HTTP_10, false), (Version::HTTP_11, true)] {
        let arrived = Request::put("/").version(version).header("expect", "100-continue");
        let mut arrived = arrived.body(()).unwrap();
        send_on(&mut arrived, &client(false));
        assert_eq!(arrived.headers().contains_key("expect"), expected, "{version:?}");
    }
}

#[test]
fn cookies_are_one_line() {
    check(&[("cookie", "a=1"), ("cookie", "b=2")], &[("cookie", Some("a=1; b=2"))]);
    check(&[("cookie", "a=1; b=2")], &[("cookie", Some("a=1; b=2"))]);
}

#[test]
fn the_way_is_told_in_both_languages() {
    check(
        &[("host", "api.example:8080")],
        &[
            ("x-forwarded-for", Some("192.0.2.7")),
            ("x-forwarded-host", Some("api.example:8080")),
            ("x-forwarded-proto", Some("http")),
            ("forwarded", Some("for=192.0.2.7;host=\"api.example:8080\";proto=http")),
        ],
    );
}

#[test]
fn those_who_are_trusted_tell_of_those_before_them() {
    check_from(
        &client(true),
        &[
            ("x-forwarded-for", "198.51.100.1"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-host", "first"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-port", "443"),
            ("connection", "x-forwarded-for, x-forwarded-port"),
        ],
        &[
            ("x-forwarded-for", Some("198.51.100.1, 10.0.0.1, 192.0.2.7")),
            ("x-forwarded-host", Some("first")),
            ("x-forwarded-proto", Some("https")),
            ("x-forwarded-port", Some("443")),
        ],
    );
    let expected = [("forwarded", Some("for=a, for=192.0.2.7;proto=http"))];
    check_from(&client(true), &[("forwarded", "for=a")], &expected);
}

#[test]
fn nobody_else_does() {
    check(
        &[
            ("x-forwarded-for", "198.51.100.1"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-host", "first"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-prefix", "/admin"),
            ("x-real-ip", "10.0.0.1"),
            ("forwarded", "for=10.0.0.1"),
        ],
        &[
            ("x-forwarded-for", Some("192.0.2.7")),
            ("x-forwarded-host", None),
            ("x-forwarded-proto", Some("http")),
            ("x-forwarded-prefix", None),
            ("x-real-ip", None),
            ("forwarded", Some("for=192.0.2.7;proto=http")),
        ],
    );
}

#[test]
fn what_is_for_everybody_cannot_be_named_away() {
    for name in ["authorization", "content-length", "content-type", "cookie", "host", "idempotency-key"] {
        check(&[("connection", name), (name, "1")], &[("connection", None), (name, Some("1"))]);
    }
}
