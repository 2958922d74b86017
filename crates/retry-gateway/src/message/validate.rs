//! What a head must be like before anything is decided by it: one host, and one way to tell where the body ends.

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Version};

use crate::connection::info::Downstream;
use crate::message::header_scan::Found;

/// A request that can be taken for one thing only.
#[derive(Debug)]
pub(crate) struct Vetted {
    pub(crate) found: Found,
    /// The only host that it is for.
    pub(crate) host: Option<HeaderValue>,
}

/// Looks a request over; its `Host` is that of its URI from then on, if that has one.
pub(crate) fn request<B>(request: &mut Request<B>, downstream: &Downstream) -> Result<Vetted, &'static str> {
    let found = Found::of(request.headers());
    if found.coding && !is_framed(request.headers()) {
        return Err("its Transfer-Encoding is not chunked alone");
    }
    let uri = request.uri();
    if uri.authority().is_some() && uri.scheme().is_none() && request.method() != Method::CONNECT {
        return Err("its target is no path");
    }
    if found.hosts > 1 {
        return Err("it has more than one Host");
    }
    if found.hosts == 0 && request.version() == Version::HTTP_11 {
        return Err("it has no Host");
    }
    let authority = uri.authority().map(|authority| HeaderValue::from_str(authority.as_str()));
    let authority = authority.transpose().map_err(|_| NO_HOST)?;
    let named = request.headers().get(header::HOST);
    let differ = authority.as_ref().zip(named).is_some_and(|(authority, named)| authority != named);
    if differ && request.version() == Version::HTTP_2 {
        return Err("its authority and its Host differ");
    }
    let host = authority.or_else(|| named.cloned());
    let is_known = |host| downstream.knows(host) || is_host(host.as_bytes());
    if !host.as_ref().is_none_or(is_known) {
        return Err(NO_HOST);
    }
    if differ && let Some(host) = &host {
        // RFC 9112 section 3.2.2: a proxy replaces it. Routes may look at it.
        request.headers_mut().insert(header::HOST, host.clone());
    }
    Ok(Vetted { found, host })
}

/// Whether a message with these headers ends in one place for all who read it (RFC 9112 section 6.3): a coding besides
/// chunked would be lost on the way, and a length beside it is how messages are smuggled.
pub(crate) fn is_framed(headers: &HeaderMap) -> bool {
    if !headers.contains_key(header::TRANSFER_ENCODING) {
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

/// A name or an address, and maybe a port. Less than a URI may have, no user for one, and nothing that two parsers
/// would read in two ways.
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

const NO_HOST: &str = "its host is none";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_and_maybe_a_port() {
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
        let mut given = Request::get(uri).version(version);
        for host in hosts {
            given = given.header("host", *host);
        }
        let mut given = given.body(()).unwrap();
        let downstream = Downstream::new(std::net::Ipv4Addr::LOCALHOST.into(), false, false);
        let vetted = request(&mut given, &downstream);
        let host = vetted.as_ref().ok().and_then(|vetted| vetted.host.as_ref());
        assert_eq!(host.map(|host| host.to_str().unwrap()), expected, "{version:?} {uri} {hosts:?}");
        if vetted.is_ok() && !hosts.is_empty() {
            assert_eq!(given.headers()["host"], expected.unwrap(), "routes see the same host");
        }
    }

    #[test]
    fn there_is_one_host_whoever_asks() {
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
    fn a_body_ends_in_one_place() {
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
            assert_eq!(is_framed(&headers), expected, "{lines:?}");
        }
    }
}
