//! What a proxy changes in the heads that it passes on, and nothing else.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use http::header::{self, Entry, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, Uri, Version};

use crate::tunnel::Tunnel;

/// Who sends requests over a connection, and how they arrive.
#[derive(Debug)]
pub(crate) struct Downstream {
    /// The peer's address.
    ip: IpAddr,
    /// Whether the connection is encrypted.
    is_tls: bool,
    /// What `X-Forwarded-For` says of it.
    forwarded_for: HeaderValue,
    /// The host that was asked for last, and what `Forwarded` says of that: mostly it is always the same.
    forwarded: Mutex<Option<(Option<HeaderValue>, HeaderValue)>>,
}

impl Downstream {
    pub(crate) fn new(ip: IpAddr, is_tls: bool) -> Self {
        let ip = ip.to_canonical();
        // An address is visible ASCII.
        let forwarded_for =
            HeaderValue::try_from(ip.to_string()).unwrap_or(HeaderValue::from_static("unknown"));
        Self { ip, is_tls, forwarded_for, forwarded: Mutex::default() }
    }

    pub(crate) fn ip(&self) -> IpAddr {
        self.ip
    }

    pub(crate) fn scheme(&self) -> &'static str {
        if self.is_tls { "https" } else { "http" }
    }

    fn forwarded(&self, host: Option<&HeaderValue>) -> HeaderValue {
        let mut last = self.forwarded.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((known, value)) if known.as_ref() == host => value.clone(),
            _ => {
                let value = self.forwarded_from(host);
                // A copy, so that no read buffer is held.
                let host = host.and_then(|host| HeaderValue::from_bytes(host.as_bytes()).ok());
                *last = Some((host, value.clone()));
                value
            }
        }
    }

    fn forwarded_from(&self, host: Option<&HeaderValue>) -> HeaderValue {
        let node = match self.ip {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("\"[{ip}]\""),
        };
        let host = host.and_then(|host| host.to_str().ok()).filter(|host| !host.contains(['"', '\\']));
        let host = host.map_or_else(String::new, |host| format!(";host=\"{host}\""));
        let value = HeaderValue::try_from(format!("for={node}{host};proto={}", self.scheme()));
        // A host that was a value is one within a value.
        value.unwrap_or(HeaderValue::from_static("for=unknown"))
    }
}

/// What there is in a head that something is to be done about. All headers are looked at once, because to look for each
/// of these is more.
#[derive(Default)]
struct Found {
    /// Header lines that are for one connection.
    hops: usize,
    cookies: usize,
    te: bool,
    upgrade: bool,
    expect: bool,
}

/// What is left to do about a request that can be sent on.
pub(crate) struct Arrived {
    /// What it asks to switch to.
    pub(crate) tunnel: Option<Tunnel>,
    /// Whether its client waits to be asked for the body.
    pub(crate) expects: bool,
}

/// Makes a request that arrived here one that can be sent on: without what was meant for this connection alone, and
/// with a word on where it came from.
pub(crate) fn request<B>(request: &mut Request<B>, downstream: &Downstream) -> Arrived {
    let host = host_of(request);
    let is_http10 = request.version() == Version::HTTP_10;
    let found = Found::of(request.headers());
    let tunnel = if found.upgrade { Tunnel::of(request) } else { None };
    let headers = request.headers_mut();
    let takes_trailers = found.te && headers.get_all(header::TE).iter().any(|value| says(value, "trailers"));
    strip(headers, &found);
    if found.expect && is_http10 {
        // Who speaks that cannot be asked (RFC 9110 section 10.1.1).
        headers.remove(header::EXPECT);
    }
    if takes_trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    if found.cookies > 1 {
        join_cookies(headers);
    }
    trace(headers, host, downstream);
    if let Some(tunnel) = &tunnel {
        tunnel.ask(headers);
    }
    Arrived { tunnel, expects: found.expect }
}

/// Makes a response of an upstream one that can be sent to the client.
pub(crate) fn response<B>(response: &mut Response<B>) {
    let found = Found::of(response.headers());
    strip(response.headers_mut(), &found);
}

/// The host that a request is for: of its URI where that has one (RFC 9112 section 3.2.2), else of its `Host`.
pub(crate) fn host_of<B>(request: &Request<B>) -> Option<HeaderValue> {
    match request.uri().authority() {
        Some(authority) => {
            let host = authority.as_str().rsplit('@').next().unwrap_or_default();
            HeaderValue::from_str(host).ok()
        }
        None => request.headers().get(header::HOST).cloned(),
    }
}

/// The path and query, as they arrived.
pub(crate) fn target(uri: &Uri) -> http::uri::PathAndQuery {
    uri.path_and_query().cloned().unwrap_or_else(|| http::uri::PathAndQuery::from_static("/"))
}

impl Found {
    fn of(headers: &HeaderMap) -> Self {
        let mut found = Self::default();
        for (name, _) in headers {
            let name = name.as_str();
            // Most have another length than any of these.
            match name.len() {
                2 if name == "te" => found.te = true,
                7 if name == "upgrade" => found.upgrade = true,
                6 if name == "cookie" => found.cookies += 1,
                6 if name == "expect" => found.expect = true,
                _ => {}
            }
            found.hops += usize::from(is_for_one_connection(name));
        }
        found
    }
}

/// Without the headers that are for one connection (RFC 9110 section 7.6.1), and those that it names.
fn strip(headers: &mut HeaderMap, found: &Found) {
    match found.hops {
        0 => {}
        // Most heads have none, or this one, which names no other.
        1 if headers
            .get(header::CONNECTION)
            .is_some_and(|value| value == "keep-alive" || value == "close") =>
        {
            headers.remove(header::CONNECTION);
        }
        _ => strip_all(headers),
    }
}

fn strip_all(headers: &mut HeaderMap) {
    let named = headers.get_all(header::CONNECTION).iter();
    let named = named.flat_map(|value| value.to_str().unwrap_or_default().split(','));
    let mut gone: Vec<_> = named.filter_map(|name| HeaderName::try_from(name.trim()).ok()).collect();
    gone.extend(headers.keys().filter(|name| is_for_one_connection(name.as_str())).cloned());
    for name in gone {
        headers.remove(name);
    }
}

fn is_for_one_connection(name: &str) -> bool {
    match name.len() {
        2 => name == "te",
        7 => name == "upgrade",
        10 => name == "connection" || name == "keep-alive",
        14 => name == "http2-settings",
        16 => name == "proxy-connection",
        17 => name == "transfer-encoding",
        18 => name == "proxy-authenticate",
        19 => name == "proxy-authorization",
        _ => false,
    }
}

/// HTTP/2 may split them, and HTTP/1.1 may not (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let crumbs: Vec<_> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(cookie) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(header::COOKIE, cookie);
    }
}

fn says(value: &HeaderValue, word: &str) -> bool {
    value.to_str().is_ok_and(|value| value.split(',').any(|item| item.trim().eq_ignore_ascii_case(word)))
}

/// `X-Forwarded-*`, and `Forwarded` (RFC 7239).
fn trace(headers: &mut HeaderMap, host: Option<HeaderValue>, downstream: &Downstream) {
    // What is added here, at once.
    headers.reserve(4);
    append(headers, FORWARDED_FOR, downstream.forwarded_for.clone());
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(downstream.scheme()));
    append(headers, header::FORWARDED, downstream.forwarded(host.as_ref()));
    if let Some(host) = host {
        headers.entry(FORWARDED_HOST).or_insert(host);
    }
}

/// One list in one line.
fn append(headers: &mut HeaderMap, name: HeaderName, item: HeaderValue) {
    match headers.entry(name) {
        Entry::Vacant(none) => {
            none.insert(item);
        }
        Entry::Occupied(mut known) => {
            let list: Vec<_> = known.iter().chain([&item]).map(HeaderValue::as_bytes).collect();
            if let Ok(value) = HeaderValue::from_bytes(&list.join(&b", "[..])) {
                known.insert(value);
            }
        }
    }
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> Downstream {
        Downstream::new(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)), false)
    }

    /// What is left of these headers, and what is there of ours.
    #[track_caller]
    fn check(lines: &[(&str, &str)], expected: &[(&str, Option<&str>)]) {
        let mut arrived = Request::get("/").body(()).unwrap();
        for (name, value) in lines {
            arrived.headers_mut().append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        request(&mut arrived, &client());
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
        check(
            &[("connection", "keep-alive"), ("x-yours", "1")],
            &[("connection", None), ("x-yours", Some("1"))],
        );
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
            request(&mut arrived, &client());
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
        check(
            &[
                ("x-forwarded-for", "198.51.100.1"),
                ("x-forwarded-for", "10.0.0.1"),
                ("x-forwarded-host", "first"),
            ],
            &[
                ("x-forwarded-for", Some("198.51.100.1, 10.0.0.1, 192.0.2.7")),
                ("x-forwarded-host", Some("first")),
            ],
        );
        check(&[("forwarded", "for=a")], &[("forwarded", Some("for=a, for=192.0.2.7;proto=http"))]);
    }

    #[test]
    fn an_absolute_target_outranks_the_host_header() {
        let request = |uri: &str| Request::get(uri).header("host", "header.example").body(()).unwrap();
        assert_eq!(host_of(&request("http://u:p@uri.example:81/a")).unwrap(), "uri.example:81");
        assert_eq!(host_of(&request("/a")).unwrap(), "header.example");
        assert_eq!(target(request("http://uri.example").uri()), "/");
        assert_eq!(target(request("/a?b=c").uri()), "/a?b=c");
    }
}
