//! The heads of requests and responses, which are all that a policy sees. It never sees a body.

pub(crate) mod credential;
mod response;
mod snapshot;
mod standard_names;

use std::fmt;

use http::uri::Authority;
use http::{Extensions, HeaderMap, HeaderValue, Method, Request, Uri, header, request};

pub use self::response::ResponseHead;
pub use self::snapshot::HeadSnapshot;
use self::snapshot::{HeaderLine, HeaderLines};

/// The head of the caller's request, read-only.
///
/// The type is opaque, so that the code that runs a session can hold the head in any form. It returns header values as
/// text or bytes for the same reason.
///
/// ```
/// use http::Request;
/// use http_retry::RequestHead;
///
/// let request = Request::get("http://shop.example/orders?limit=5").header("x-plan", "pro").body(()).unwrap();
/// let head = RequestHead::from(&request);
/// assert_eq!((head.authority(), head.path(), head.header("x-plan")), (Some("shop.example"), "/orders", Some("pro")));
/// ```
#[derive(Clone, Copy)]
pub struct RequestHead<'a> {
    method: &'a Method,
    form: Form<'a>,
    extensions: &'a Extensions,
    /// The cached answer of [`RequestHead::is_connect_or_upgrade`], if [`RequestHead::looked_over`] computed it.
    is_connect_or_upgrade: Option<bool>,
}

/// The forms in which a head is held.
#[derive(Clone, Copy)]
enum Form<'a> {
    Parts(&'a Uri, &'a HeaderMap),
    Snapshot(&'a HeadSnapshot),
}

impl<'a> RequestHead<'a> {
    /// Returns the request method.
    pub fn method(&self) -> &'a Method {
        self.method
    }

    /// Returns whether the method is idempotent by RFC 9110 section 9.2.2, or safe by IANA's registry of methods.
    ///
    /// The methods that are safe without being in RFC 9110 are PROPFIND, REPORT, SEARCH and QUERY. Methods that the registry
    /// calls idempotent but not safe, such as COPY, MOVE and MKCOL, do not count: a lost answer makes their second attempt fail.
    /// Unknown methods do not count either.
    pub fn has_idempotent_method(&self) -> bool {
        self.method.is_idempotent()
            || matches!(self.method.as_str(), "PROPFIND" | "REPORT" | "SEARCH" | "QUERY")
    }

    /// Returns the authority that the request is for, as `host` or `host:port`, without user and password. It comes from
    /// the URI, or else from the `Host` header.
    pub fn authority(&self) -> Option<&'a str> {
        let authority = match self.form {
            Form::Parts(uri, _) => uri.authority().map(Authority::as_str),
            Form::Snapshot(head) => head.authority(),
        };
        let authority = match authority {
            Some(authority) => authority,
            None => self.header(header::HOST.as_str())?,
        };
        authority.rsplit('@').next()
    }

    /// Returns the host of the [`authority`](Self::authority), without the port.
    pub fn host(&self) -> Option<&'a str> {
        let authority = self.authority()?;
        match authority.rsplit_once(':') {
            // The colons of an IPv6 address are in brackets, or belong to an address without a port.
            Some((host, _)) if host.ends_with(']') || !host.contains([':', '[']) => Some(host),
            _ => Some(authority),
        }
    }

    /// Returns the path of the URI, without its query.
    pub fn path(&self) -> &'a str {
        match self.form {
            Form::Parts(uri, _) => uri.path(),
            Form::Snapshot(head) => head.path(),
        }
    }

    /// Returns the query of the target, without its question mark.
    pub fn query(&self) -> Option<&'a str> {
        match self.form {
            Form::Parts(uri, _) => uri.query(),
            Form::Snapshot(head) => head.query(),
        }
    }

    /// Returns the first value of a header if it is visible ASCII. The case of `name` does not matter.
    ///
    /// The result is `None` if the header is absent or has other bytes; [`headers`](Self::headers) returns those too.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.values(name).next().and_then(visible_ascii)
    }

    /// Returns every header line in order, as lower-case name and raw value.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        let (map, lines) = self.forms();
        let map = map.into_iter().flatten().map(|(name, value)| (name.as_str(), value.as_bytes()));
        // The bytes are those of a `HeaderName`, so they are text.
        let name = |line: &HeaderLine<'a>| std::str::from_utf8(line.name).unwrap_or_default();
        map.chain(lines.into_iter().flatten().map(move |line| (name(&line), line.value)))
    }

    /// Returns the extension of type `T` that the caller attached to the request.
    pub fn extension<T: Send + Sync + 'static>(&self) -> Option<&'a T> {
        self.extensions.get()
    }

    /// Returns the values of a header, as raw bytes.
    pub(crate) fn values<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let (map, lines) = self.forms();
        let map = map.into_iter().flat_map(move |headers| headers.get_all(name));
        let lines = lines.into_iter().flatten();
        let lines = lines.filter(move |line| line.name.eq_ignore_ascii_case(name.as_bytes()));
        map.map(HeaderValue::as_bytes).chain(lines.map(|line| line.value))
    }

    /// Calls `each` with every header line, as [`headers`](Self::headers) returns them.
    #[inline]
    pub(crate) fn each_header(&self, mut each: impl FnMut(&'a str, &'a [u8])) {
        match self.form {
            Form::Parts(_, headers) => {
                headers.iter().for_each(|(name, value)| each(name.as_str(), value.as_bytes()));
            }
            Form::Snapshot(_) => self.headers().for_each(|(name, value)| each(name, value)),
        }
    }

    /// Returns the [`authority`](Self::authority) as raw bytes, with user and password. A `Host` header may have any bytes.
    #[inline]
    pub(crate) fn authority_bytes(&self) -> Option<&'a [u8]> {
        let host = match self.form {
            Form::Parts(uri, headers) if uri.authority().is_none() => {
                headers.get(header::HOST).map(HeaderValue::as_bytes)
            }
            _ => None,
        };
        self.authority_bytes_or(host)
    }

    /// Returns the same as [`authority_bytes`](Self::authority_bytes), with the value of the first `Host` header, which the
    /// caller has read.
    #[inline]
    pub(crate) fn authority_bytes_or(&self, host: Option<&'a [u8]>) -> Option<&'a [u8]> {
        let Form::Parts(uri, _) = self.form else {
            return self.authority().map(str::as_bytes);
        };
        uri.authority().map(|authority| authority.as_str().as_bytes()).or(host)
    }

    /// Returns whether the request is a CONNECT or asks for an upgrade to another protocol (RFC 9110 sections 9.3.6 and
    /// 7.8). The layer never sends such a request again, regardless of the policy.
    ///
    /// An `Upgrade` that names only versions of HTTP, `h2c` or `HTTP/2.0`, does not count, because the answer is an HTTP
    /// response in any case. Clients that offer `h2c` do so with every request to a plain `http` URL, and servers ignore
    /// it, because RFC 9113 (section 3.1) made it obsolete. `TLS/1.0` (RFC 2817) counts, because a handshake follows.
    #[inline]
    pub fn is_connect_or_upgrade(&self) -> bool {
        self.is_connect_or_upgrade.unwrap_or_else(|| self.asks_for_other_protocol())
    }

    /// Returns the same head with the answer of [`is_connect_or_upgrade`](Self::is_connect_or_upgrade) cached.
    #[doc(hidden)]
    #[inline]
    pub fn looked_over(self) -> Self {
        Self { is_connect_or_upgrade: Some(self.is_connect_or_upgrade()), ..self }
    }

    fn asks_for_other_protocol(&self) -> bool {
        let has_upgrade = match self.form {
            Form::Parts(_, headers) => headers.contains_key(header::UPGRADE),
            Form::Snapshot(_) => self.values(header::UPGRADE.as_str()).next().is_some(),
        };
        self.method == Method::CONNECT || (has_upgrade && self.names_other_protocol())
    }

    /// Returns whether an `Upgrade` names a protocol other than HTTP. An empty one counts too, because its meaning is
    /// unknown.
    #[cold]
    fn names_other_protocol(&self) -> bool {
        let protocols =
            self.values(header::UPGRADE.as_str()).flat_map(|value| value.split(|&byte| byte == b','));
        // A list may have empty elements (RFC 9110 section 5.6.1).
        let protocols = protocols.map(<[u8]>::trim_ascii).filter(|protocol| !protocol.is_empty());
        let mut names =
            protocols.filter_map(|protocol| protocol.split(|&byte| byte == b'/').next()).peekable();
        names.peek().is_none()
            || names.any(|name| !name.eq_ignore_ascii_case(b"h2c") && !name.eq_ignore_ascii_case(b"http"))
    }

    fn forms(&self) -> (Option<&'a HeaderMap>, Option<HeaderLines<'a>>) {
        match self.form {
            Form::Parts(_, headers) => (Some(headers), None),
            Form::Snapshot(head) => (None, Some(head.lines())),
        }
    }
}

/// Returns a header value as text if it is visible ASCII.
fn visible_ascii(value: &[u8]) -> Option<&str> {
    let is_text = |byte: &u8| matches!(byte, b'\t' | 0x20..=0x7e);
    std::str::from_utf8(value).ok().filter(|_| value.iter().all(is_text))
}

impl<'a, B> From<&'a Request<B>> for RequestHead<'a> {
    fn from(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            form: Form::Parts(request.uri(), request.headers()),
            extensions: request.extensions(),
            is_connect_or_upgrade: None,
        }
    }
}

impl<'a> From<&'a request::Parts> for RequestHead<'a> {
    fn from(parts: &'a request::Parts) -> Self {
        Self {
            method: &parts.method,
            form: Form::Parts(&parts.uri, &parts.headers),
            extensions: &parts.extensions,
            is_connect_or_upgrade: None,
        }
    }
}

impl<'a> From<&'a HeadSnapshot> for RequestHead<'a> {
    #[inline]
    fn from(head: &'a HeadSnapshot) -> Self {
        let HeadSnapshot { method, extensions, .. } = head;
        Self { method, form: Form::Snapshot(head), extensions, is_connect_or_upgrade: None }
    }
}

impl fmt::Debug for RequestHead<'_> {
    /// Formats the head without its header values, because they may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead")
            .field("method", self.method)
            .field("authority", &self.authority())
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
