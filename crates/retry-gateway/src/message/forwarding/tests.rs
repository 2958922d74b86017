use std::net::IpAddr;

use http::HeaderName;

use super::*;
use crate::message::headers::host_of;

fn client(is_trusted: bool) -> Arc<ConnectionInfo> {
    Arc::new(ConnectionInfo::new(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)), false, is_trusted))
}

fn forward(given: &mut Request<()>, client: &Arc<ConnectionInfo>) {
    let valid = ValidRequest { scan: HeaderScan::of_request(given.headers()).0, host: host_of(given) };
    let forwarded = request(given, valid, client);
    forwarded.forwarding.add_to(given.headers_mut());
}

/// Checks the values that some headers have after a request with these header lines is forwarded.
#[track_caller]
fn check(lines: &[(&str, &str)], expected: &[(&str, Option<&str>)]) {
    check_from(&client(false), lines, expected);
}

#[track_caller]
fn check_from(client: &Arc<ConnectionInfo>, lines: &[(&str, &str)], expected: &[(&str, Option<&str>)]) {
    let mut given = Request::get("/").body(()).unwrap();
    for (name, value) in lines {
        given.headers_mut().append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
    }
    forward(&mut given, client);
    for (name, value) in expected {
        let forwarded = given.headers().get(*name).map(|value| value.to_str().unwrap());
        assert_eq!(forwarded, *value, "{name} of {lines:?}");
    }
}

/// The list is that of RFC 9110 section 7.6.1 and RFC 7540 section 3.2.1.
#[test]
fn each_hop_by_hop_header_is_removed() {
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
fn headers_that_connection_names_are_removed() {
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
fn te_trailers_is_forwarded_and_other_codings_are_not() {
    check(&[("te", "trailers, gzip")], &[("te", Some("trailers"))]);
    check(&[("te", "gzip")], &[("te", None)]);
    check(&[("te", "trailers"), ("connection", "te")], &[("te", Some("trailers"))]);
}

#[test]
fn expect_of_an_http10_client_is_removed() {
    for (version, expected) in [(Version::HTTP_10, false), (Version::HTTP_11, true)] {
        let given = Request::put("/").version(version).header("expect", "100-continue");
        let mut given = given.body(()).unwrap();
        forward(&mut given, &client(false));
        assert_eq!(given.headers().contains_key("expect"), expected, "{version:?}");
    }
}

#[test]
fn cookies_are_joined_into_one_line() {
    check(&[("cookie", "a=1"), ("cookie", "b=2")], &[("cookie", Some("a=1; b=2"))]);
    check(&[("cookie", "a=1; b=2")], &[("cookie", Some("a=1; b=2"))]);
}

#[test]
fn a_request_gets_both_kinds_of_forwarding_headers() {
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
fn forwarding_headers_of_a_trusted_proxy_are_kept() {
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
fn forwarding_headers_of_other_clients_are_removed() {
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
fn connection_cannot_remove_an_end_to_end_header() {
    for name in ["authorization", "content-length", "content-type", "cookie", "host", "idempotency-key"] {
        check(&[("connection", name), (name, "1")], &[("connection", None), (name, Some("1"))]);
    }
}

#[test]
fn a_response_has_one_length_or_none() {
    for (status, lengths, expected) in [
        (200, &["5, 5"][..], &["5"][..]),
        (206, &["5 ,5, 5"], &["5"]),
        (200, &["5"], &["5"]),
        (200, &[], &[]),
        (204, &["0"], &[]),
        (204, &["0, 0"], &[]),
        (304, &["5, 5"], &["5"]),
    ] {
        let mut builder = Response::builder().status(status);
        for length in lengths {
            builder = builder.header("content-length", *length);
        }
        let mut given = builder.header("x-a", "1, 1").body(()).unwrap();
        response(&mut given);
        let left: Vec<_> = given.headers().get_all("content-length").iter().collect();
        assert_eq!(left, expected, "{status} {lengths:?}");
        assert_eq!(given.headers()["x-a"], "1, 1");
    }
}
