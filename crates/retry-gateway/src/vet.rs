//! What a head must be like before anything is decided by it: one host, and one way to tell where the body ends.

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Version};

/// Whether a request can be taken for one thing only; its `Host` is that of its URI from then on, if that has one.
pub(crate) fn request<B>(request: &mut Request<B>) -> Result<(), &'static str> {
    if !is_framed(request.headers()) {
        return Err("its Transfer-Encoding is not chunked alone");
    }
    let uri = request.uri();
    if uri.authority().is_some() && uri.scheme().is_none() && request.method() != Method::CONNECT {
        return Err("its target is no path");
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (named, another) = (hosts.next(), hosts.next());
    if another.is_some() {
        return Err("it has more than one Host");
    }
    if named.is_none() && request.version() == Version::HTTP_11 {
        return Err("it has no Host");
    }
    let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    let host = authority.or(named.map(HeaderValue::as_bytes));
    if !host.is_none_or(is_host) {
        return Err("its host is none");
    }
    match (authority, named) {
        (Some(authority), Some(named)) if authority != named.as_bytes() => {
            if request.version() == Version::HTTP_2 {
                return Err("its authority and its Host differ");
            }
            // RFC 9112 section 3.2.2: a proxy replaces it. Routes may look at it.
            let host = HeaderValue::from_bytes(authority).map_err(|_| "its host is none")?;
            request.headers_mut().insert(header::HOST, host);
        }
        _ => {}
    }
    Ok(())
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
        let is_right = request(&mut given).is_ok();
        let host = crate::forward::host_of(&given);
        let host = host.as_ref().filter(|_| is_right).map(|host| host.to_str().unwrap());
        assert_eq!(host, expected, "{version:?} {uri} {hosts:?}");
        if is_right && !hosts.is_empty() {
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
