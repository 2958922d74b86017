//! A request head in the form in which it is kept for a resend.

use std::{fmt, mem};

use bytes::Bytes;
use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, request};

use super::RequestHead;

/// A request head that is kept for a resend, which most requests never need.
///
/// The URI and the headers are one run of bytes, because to clone them is to count a reference for each piece, and to hold
/// the buffer that they were read into. They are made what they were when they are sent again.
///
/// ```
/// use http::Request;
/// use http_retry::KeptHead;
///
/// let request = Request::get("http://api.example/orders?limit=5").header("x-plan", "pro").body(()).unwrap();
/// let kept = KeptHead::of(&request);
/// assert_eq!(kept.head().path(), "/orders");
///
/// let resend = Request::from_parts(kept.restore(), ());
/// assert_eq!((resend.uri(), resend.headers()), (request.uri(), request.headers()));
/// ```
#[derive(Clone)]
pub struct KeptHead {
    pub(super) method: Method,
    version: Version,
    pub(super) extensions: Extensions,
    uri: Lengths,
    /// Scheme, authority, path and query; then each header line, which is a number of eight bytes, of which the upper
    /// half is the length of its name, and the lower that of its value, whose highest bit says that it is sensitive; then
    /// both.
    bytes: Vec<u8>,
}

/// Of the parts of a URI; what is not there is empty.
#[derive(Clone, Copy)]
struct Lengths {
    scheme: u32,
    authority: u32,
    target: u32,
}

impl KeptHead {
    /// Keeps a head: values are copied, and neither their order nor that they are sensitive is lost.
    pub fn of<B>(request: &Request<B>) -> Self {
        Self::of_in(request, Vec::new())
    }

    /// The same in a buffer that was used before, and whose content is forgotten: nothing is allocated where it is large
    /// enough.
    pub fn of_in<B>(request: &Request<B>, mut bytes: Vec<u8>) -> Self {
        bytes.clear();
        // A guess costs less than a look at each of them.
        bytes.reserve(request.headers().len() * USUAL + USUAL);
        let uri = request.uri();
        let mut keep = |part: &str| {
            bytes.extend_from_slice(part.as_bytes());
            // A URI has at most 65,534 bytes.
            part.len() as u32
        };
        let uri = Lengths {
            scheme: keep(uri.scheme_str().unwrap_or_default()),
            authority: keep(uri.authority().map_or("", Authority::as_str)),
            target: keep(uri.path_and_query().map_or("", PathAndQuery::as_str)),
        };
        for (name, value) in request.headers() {
            let (name, is_sensitive) = (name.as_str().as_bytes(), value.is_sensitive());
            let value = value.as_bytes();
            // What is longer than a number of four bytes can tell does not come over any connection.
            let lengths = (name.len() as u64) << 32 | value.len() as u64 & (SENSITIVE - 1);
            bytes.extend_from_slice(&(lengths | if is_sensitive { SENSITIVE } else { 0 }).to_ne_bytes());
            bytes.extend_from_slice(name);
            bytes.extend_from_slice(value);
        }
        Self {
            method: request.method().clone(),
            version: request.version(),
            extensions: request.extensions().clone(),
            uri,
            bytes,
        }
    }

    /// Takes the buffer for another head, and leaves one without URI and headers.
    pub fn take_buffer(&mut self) -> Vec<u8> {
        self.uri = Lengths { scheme: 0, authority: 0, target: 0 };
        mem::take(&mut self.bytes)
    }

    /// Gives memory back that it does not need: it may be kept for long.
    pub fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// What a policy sees of it.
    pub fn head(&self) -> RequestHead<'_> {
        RequestHead::from(self)
    }

    /// A head to send, the same as was kept.
    pub fn restore(&self) -> request::Parts {
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = self.method.clone();
        parts.uri = self.uri();
        parts.version = self.version;
        parts.extensions = self.extensions.clone();
        parts.headers = HeaderMap::with_capacity(self.lines().count());
        // One buffer for all values.
        let [.., lines] = self.pieces();
        let lines = Bytes::copy_from_slice(lines);
        for line in Lines(&lines) {
            // They were a name and a value before.
            let (Ok(name), Ok(mut value)) = (
                HeaderName::from_bytes(line.name),
                HeaderValue::from_maybe_shared(lines.slice_ref(line.value)),
            ) else {
                continue;
            };
            value.set_sensitive(line.is_sensitive);
            parts.headers.append(name, value);
        }
        parts
    }

    /// Forgets all lines of a header; `name` is matched without regard to case.
    pub fn remove(&mut self, name: &str) {
        let mut kept = Vec::with_capacity(self.bytes.len());
        let mut rest = self.lines();
        kept.extend_from_slice(&self.bytes[..self.bytes.len() - rest.0.len()]);
        loop {
            let from = rest.0;
            let Some(line) = rest.next() else { break };
            if !line.name.eq_ignore_ascii_case(name.as_bytes()) {
                kept.extend_from_slice(&from[..from.len() - rest.0.len()]);
            }
        }
        self.bytes = kept;
    }

    pub(super) fn authority(&self) -> Option<&str> {
        let [_, authority, ..] = self.pieces();
        Some(text(authority)).filter(|authority| !authority.is_empty())
    }

    pub(super) fn path(&self) -> &str {
        let [scheme, _, target, _] = self.pieces();
        match text(target).split('?').next() {
            // As `http` has it.
            None | Some("") if !scheme.is_empty() || target.starts_with(b"?") => "/",
            path => path.unwrap_or_default(),
        }
    }

    pub(super) fn lines(&self) -> Lines<'_> {
        let [.., lines] = self.pieces();
        Lines(lines)
    }

    /// Scheme, authority, path and query, header lines.
    fn pieces(&self) -> [&[u8]; 4] {
        let Lengths { scheme, authority, target } = self.uri;
        let (scheme, rest) = self.bytes.split_at(scheme as usize);
        let (authority, rest) = rest.split_at(authority as usize);
        let (target, lines) = rest.split_at(target as usize);
        [scheme, authority, target, lines]
    }

    fn uri(&self) -> Uri {
        let [scheme, authority, target, _] = self.pieces();
        let mut parts = Parts::default();
        // They were parts of a URI before.
        if !scheme.is_empty() {
            parts.scheme = Scheme::try_from(scheme).ok();
        }
        if !authority.is_empty() {
            parts.authority = Authority::try_from(authority).ok();
        }
        if !scheme.is_empty() || authority.is_empty() {
            parts.path_and_query = PathAndQuery::try_from(target).ok();
        }
        Uri::from_parts(parts).unwrap_or_default()
    }
}

fn text(piece: &[u8]) -> &str {
    // It was text before.
    std::str::from_utf8(piece).unwrap_or_default()
}

impl fmt::Debug for KeptHead {
    /// Shows no header values: they hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head().fmt(f)
    }
}

/// A header line.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    /// In lower case.
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
    is_sensitive: bool,
}

#[derive(Clone)]
pub(super) struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let (lengths, rest) = self.0.split_first_chunk()?;
        let lengths = u64::from_ne_bytes(*lengths);
        let (name, rest) = rest.split_at_checked((lengths >> 32) as usize)?;
        let (value, rest) = rest.split_at_checked((lengths & (SENSITIVE - 1)) as usize)?;
        self.0 = rest;
        Some(Line { name, value, is_sensitive: lengths & SENSITIVE != 0 })
    }
}

/// Bytes that most lines do not need.
const USUAL: usize = 64;
const SENSITIVE: u64 = 1 << 31;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(headers: &[(String, Vec<u8>, bool)]) -> (request::Parts, KeptHead) {
        let request = Request::put("http://host.example:81/a?b").version(Version::HTTP_2).extension(7_u8);
        let mut request = request.body(()).unwrap();
        for (name, value, is_sensitive) in headers {
            let mut value = HeaderValue::from_bytes(value).unwrap();
            value.set_sensitive(*is_sensitive);
            request.headers_mut().append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
        }
        let kept = KeptHead::of(&request);
        (request.into_parts().0, kept)
    }

    fn name() -> impl Strategy<Value = String> {
        prop_oneof!["[a-z]{1,3}", Just("cookie".to_owned())]
    }

    proptest! {
        /// Names of either kind, values of any bytes, in any order, and often more than once.
        #[test]
        fn what_is_restored_is_what_was_kept(
            headers in prop::collection::vec((name(), prop::collection::vec(0x80_u8.., 0..40), any::<bool>()), 0..40),
        ) {
            let (parts, kept) = kept(&headers);
            let restored = kept.restore();
            prop_assert_eq!(&restored.headers, &parts.headers);
            let sensitive = |parts: &request::Parts| -> Vec<_> {
                parts.headers.iter().map(|(name, value)| (name.clone(), value.is_sensitive())).collect()
            };
            prop_assert_eq!(sensitive(&restored), sensitive(&parts));
            let lines = |head: RequestHead<'_>| -> Vec<_> {
                head.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
            };
            prop_assert_eq!(lines(kept.head()), lines(RequestHead::from(&parts)));
            let (mut parts, mut kept) = (parts, kept);
            for name in ["Cookie", "a", "b"] {
                parts.headers.remove(name);
                kept.remove(name);
                prop_assert_eq!(&kept.restore().headers, &parts.headers);
            }
        }
    }

    #[test]
    fn every_kind_of_uri_is_restored() {
        for uri in [
            "/",
            "/a",
            "/a?b=c",
            "/?b",
            "*",
            "http://a",
            "http://a/",
            "http://a?b",
            "http://u:p@a:81/b?c",
            "a:443",
            "https://[::1]:8/x%2Fy",
            "unix://a/b",
            "/a//b",
            "http://a/?",
        ] {
            let request = Request::get(uri).body(()).unwrap();
            let kept = KeptHead::of_in(&request, b"of another head".to_vec());
            assert_eq!(&kept.restore().uri, request.uri(), "{uri}");
            let (kept, whole) = (kept.head(), RequestHead::from(&request));
            assert_eq!((kept.path(), kept.authority()), (whole.path(), whole.authority()), "{uri}");
        }
    }

    #[test]
    fn a_buffer_is_used_again() {
        let request = Request::get("http://host.example/a").header("x-one", "1").body(()).unwrap();
        let mut kept = KeptHead::of(&request);
        let buffer = kept.take_buffer();
        assert!(kept.restore().headers.is_empty());
        let (before, mut again) = (buffer.as_ptr(), KeptHead::of_in(&request, buffer));
        assert_eq!(again.restore().headers, *request.headers());
        let buffer = again.take_buffer();
        assert_eq!(buffer.as_ptr(), before);
    }

    #[test]
    fn a_kept_head_tells_what_the_whole_one_does() {
        let row = |name: &str, value: &[u8]| (name.to_owned(), value.to_vec(), false);
        let (parts, kept) = kept(&[
            row("host", b"other"),
            row("x-one", b"1"),
            row("x-one", b"2"),
            row("x-opaque", b"\xff"),
            row("upgrade", b""),
        ]);
        let restored = kept.restore();
        assert_eq!((&restored.method, restored.version), (&parts.method, parts.version));
        assert_eq!((&restored.uri, restored.extensions.get()), (&parts.uri, Some(&7_u8)));
        for head in [RequestHead::from(&parts), kept.head()] {
            assert_eq!((head.method(), head.path()), (&Method::PUT, "/a"));
            assert_eq!((head.authority(), head.host()), (Some("host.example:81"), Some("host.example")));
            assert_eq!((head.header("X-One"), head.header("x-two")), (Some("1"), None));
            assert_eq!((head.header("x-opaque"), head.header("upgrade")), (None, Some("")));
            assert_eq!(head.values("x-one").collect::<Vec<_>>(), [b"1", b"2"]);
            assert_eq!((head.extension::<u8>(), head.leaves_http()), (Some(&7), true));
        }
    }
}
