//! Validates a request's head before anything is decided by it: it has one host, and its body ends at one
//! clear place.

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Version};

use crate::connection::info::ConnectionInfo;
use crate::message::header_scan::HeaderScan;

/// The proof that a request has only one meaning, and the facts that the check found.
#[derive(Debug)]
pub(crate) struct ValidRequest {
    pub(crate) scan: HeaderScan,
    /// The only host that the request is for.
    pub(crate) host: Option<HeaderValue>,
}

/// Validates a request, and sets its `Host` to the host of its URI if that has one. The error is the detail
/// of the local reply.
pub(crate) fn request<B>(
    request: &mut Request<B>,
    connection: &ConnectionInfo,
) -> Result<ValidRequest, &'static str> {
    let (scan, host_header) = HeaderScan::of_request(request.headers());
    if scan.transfer_encoding && !has_valid_framing(request.headers()) {
        return Err("invalid Transfer-Encoding: only chunked is allowed, without Content-Length");
    }
    let uri = request.uri();
    if uri.authority().is_some() && uri.scheme().is_none() && request.method() != Method::CONNECT {
        return Err("invalid request target");
    }
    if scan.hosts > 1 {
        return Err("more than one Host header");
    }
    if scan.hosts == 0 && request.version() == Version::HTTP_11 {
        return Err("no Host header");
    }
    let authority = uri.authority().map(|authority| HeaderValue::from_str(authority.as_str()));
    let authority = authority.transpose().map_err(|_| INVALID_HOST)?;
    let differ = authority.as_ref().zip(host_header).is_some_and(|(authority, host)| authority != host);
    if differ && request.version() == Version::HTTP_2 {
        return Err("the :authority and the Host header differ");
    }
    let host = authority.or_else(|| host_header.cloned());
    let is_valid = |host| connection.is_cached(host) || is_host(host.as_bytes());
    if !host.as_ref().is_none_or(is_valid) {
        return Err(INVALID_HOST);
    }
    if differ && let Some(host) = &host {
        // RFC 9112 section 3.2.2: a proxy replaces the header. Routes may match it.
        request.headers_mut().insert(header::HOST, host.clone());
    }
    Ok(ValidRequest { scan, host })
}

/// Returns true if all recipients agree where a message with these headers ends (RFC 9112 section 6.3). A
/// transfer coding besides chunked would be lost at the gateway, and a `Content-Length` beside it is used to
/// smuggle requests.
pub(crate) fn has_valid_framing(headers: &HeaderMap) -> bool {
    // Few heads have more lines than a look-up takes comparisons.
    if !headers.keys().any(|name| *name == header::TRANSFER_ENCODING) {
        return true;
    }
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => {
            coding.as_bytes().eq_ignore_ascii_case(b"chunked")
                && !headers.contains_key(header::CONTENT_LENGTH)
        }
        (Some(_), Some(_)) => false,
    }
}

/// Returns true for a name or an address, with or without a port. It accepts less than a URI may have, such
/// as no user, and nothing that two parsers could read differently.
fn is_host(host: &[u8]) -> bool {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'~');
    let is_address = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let (name, port) = match host.strip_prefix(b"[") {
        Some(address) => match address.iter().position(|byte| *byte == b']') {
            Some(end) if end > 0 && address[..end].iter().all(is_address) => {
                (&b"v6"[..], &address[end + 1..])
            }
            _ => return false,
        },
        None => host.split_at(host.iter().position(|byte| *byte == b':').unwrap_or(host.len())),
    };
    let is_port = match port {
        [] => true,
        [b':', digits @ ..] => std::str::from_utf8(digits).is_ok_and(|digits| {
            digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok()
        }),
        _ => false,
    };
    !name.is_empty() && name.iter().all(is_name) && is_port
}

const INVALID_HOST: &str = "invalid Host header";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        for host in ["a.example", "A_b-c.example.", "10.0.0.1", "a:80", "[::1]", "[2001:db8::1]:443"] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            "", ":80", "a:", "a:b", "a:+1", "a:65536", "a:1:2", "u@a", "u:p@a", "a/b", "a,b", "a b", "a?b",
            "a#b", "a\\b", "a%2e", "[", "[]", "[::1", "[::1]a", "[::1]:", "[a]b:1", "é",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }

    #[track_caller]
    fn check(version: Version, uri: &str, hosts: &[&str], expected: Option<&str>) {
        let mut builder = Request::get(uri).version(version);
        for host in hosts {
            builder = builder.header("host", *host);
        }
        let mut given = builder.body(()).unwrap();
        let connection = ConnectionInfo::new(std::net::Ipv4Addr::LOCALHOST.into(), false, false);
        let valid = request(&mut given, &connection);
        let host = valid.as_ref().ok().and_then(|valid| valid.host.as_ref());
        assert_eq!(host.map(|host| host.to_str().unwrap()), expected, "{version:?} {uri} {hosts:?}");
        if valid.is_ok() && !hosts.is_empty() {
            assert_eq!(given.headers()["host"], expected.unwrap(), "routes see the same host");
        }
    }

    #[test]
    fn a_request_has_one_host() {
        check(Version::HTTP_11, "/", &["a"], Some("a"));
        check(Version::HTTP_11, "/", &["a", "a"], None);
        check(Version::HTTP_11, "/", &[], None);
        check(Version::HTTP_11, "http://b/", &["a"], Some("b"));
        check(Version::HTTP_11, "http://b/", &[], None);
        check(Version::HTTP_11, "http://u@b/", &["b"], None);
        check(Version::HTTP_2, "http://b/", &[], Some("b"));
        check(Version::HTTP_2, "http://b/", &["b"], Some("b"));
        check(Version::HTTP_2, "http://b/", &["a"], None);
    }

    #[test]
    fn each_invalid_request_has_its_detail() {
        for (version, method, uri, lines, expected) in [
            (Version::HTTP_11, "GET", "/", &[][..], "no Host header"),
            (Version::HTTP_11, "GET", "/", &[("host", "a"), ("host", "b")], "more than one Host header"),
            (Version::HTTP_11, "GET", "/", &[("host", "a/b")], "invalid Host header"),
            (Version::HTTP_11, "GET", "a:80", &[("host", "a")], "invalid request target"),
            (
                Version::HTTP_2,
                "GET",
                "http://a/",
                &[("host", "b")],
                "the :authority and the Host header differ",
            ),
            (
                Version::HTTP_11,
                "POST",
                "/",
                &[("host", "a"), ("transfer-encoding", "gzip, chunked")],
                "invalid Transfer-Encoding: only chunked is allowed, without Content-Length",
            ),
        ] {
            let mut builder = Request::builder().method(method).uri(uri).version(version);
            for (name, value) in lines {
                builder = builder.header(*name, *value);
            }
            let connection = ConnectionInfo::new(std::net::Ipv4Addr::LOCALHOST.into(), false, false);
            let detail = request(&mut builder.body(()).unwrap(), &connection).map(|_| ());
            assert_eq!(detail, Err(expected), "{method} {uri} {lines:?}");
        }
    }

    #[test]
    fn all_recipients_agree_where_a_body_ends() {
        for (lines, expected) in [
            (&[("content-length", "5")][..], true),
            (&[("transfer-encoding", "Chunked")], true),
            (&[("transfer-encoding", "gzip, chunked")], false),
            (&[("transfer-encoding", "identity")], false),
            (&[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")], false),
            (&[("transfer-encoding", "chunked"), ("content-length", "5")], false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(*name, HeaderValue::from_static(value));
            }
            assert_eq!(has_valid_framing(&headers), expected, "{lines:?}");
        }
    }
}
