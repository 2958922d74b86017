//! What a proxy changes in the heads that it passes on, and nothing else.

use std::net::IpAddr;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, Uri, Version};

/// Who sent a request, and how it arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Downstream {
    /// The peer's address.
    pub(crate) ip: IpAddr,
    /// Whether the connection is encrypted.
    pub(crate) is_tls: bool,
}

impl Downstream {
    fn scheme(self) -> &'static str {
        if self.is_tls { "https" } else { "http" }
    }
}

/// Makes a request that arrived here one that can be sent on: without what was meant for this connection alone, and
/// with a word on where it came from.
pub(crate) fn request<B>(request: &mut Request<B>, downstream: Downstream) {
    let host = host_of(request);
    let is_http10 = request.version() == Version::HTTP_10;
    let headers = request.headers_mut();
    let takes_trailers = headers.get_all(header::TE).iter().any(|value| says(value, "trailers"));
    strip(headers);
    if is_http10 {
        // Who speaks that cannot be asked (RFC 9110 section 10.1.1).
        headers.remove(header::EXPECT);
    }
    if takes_trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    join_cookies(headers);
    trace(headers, host.as_ref(), downstream);
}

/// Makes a response of an upstream one that can be sent to the client.
pub(crate) fn response<B>(response: &mut Response<B>) {
    strip(response.headers_mut());
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

/// Without the headers that are for one connection (RFC 9110 section 7.6.1), and those that it names.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// HTTP/2 may split them, and HTTP/1.1 may not (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let crumbs: Vec<_> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    let joined = || HeaderValue::from_bytes(&crumbs.join(&b"; "[..])).ok();
    if let Some(cookie) = (crumbs.len() > 1).then(joined).flatten() {
        headers.insert(header::COOKIE, cookie);
    }
}

fn says(value: &HeaderValue, word: &str) -> bool {
    value.to_str().is_ok_and(|value| value.split(',').any(|item| item.trim().eq_ignore_ascii_case(word)))
}

/// `X-Forwarded-*`, and `Forwarded` (RFC 7239).
fn trace(headers: &mut HeaderMap, host: Option<&HeaderValue>, downstream: Downstream) {
    let ip = downstream.ip.to_canonical();
    append(headers, FORWARDED_FOR, &ip.to_string());
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(downstream.scheme()));
    if let Some(host) = host {
        headers.entry(FORWARDED_HOST).or_insert_with(|| host.clone());
    }
    let node = match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("\"[{ip}]\""),
    };
    let host = host.and_then(|host| host.to_str().ok()).filter(|host| !host.contains(['"', '\\']));
    let host = host.map_or_else(String::new, |host| format!(";host=\"{host}\""));
    append(headers, header::FORWARDED, &format!("for={node}{host};proto={}", downstream.scheme()));
}

/// One list in one line.
fn append(headers: &mut HeaderMap, name: HeaderName, item: &str) {
    let known = headers.get_all(&name).iter().filter_map(|value| value.to_str().ok());
    let list: Vec<_> = known.chain([item]).collect();
    if let Ok(value) = HeaderValue::try_from(list.join(", ")) {
        headers.insert(name, value);
    }
}

const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("http2-settings"),
];
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: Downstream =
        Downstream { ip: IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)), is_tls: false };

    /// What is left of these headers, and what is there of ours.
    #[track_caller]
    fn check(lines: &[(&str, &str)], expected: &[(&str, Option<&str>)]) {
        let mut arrived = Request::get("/").body(()).unwrap();
        for (name, value) in lines {
            arrived.headers_mut().append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        request(&mut arrived, CLIENT);
        for (name, value) in expected {
            let found = arrived.headers().get(*name).map(|value| value.to_str().unwrap());
            assert_eq!(found, *value, "{name} of {lines:?}");
        }
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
            request(&mut arrived, CLIENT);
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
