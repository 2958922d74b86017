//! The heads of requests and responses, which are all that a policy sees. It never sees a body.

mod snapshot;
mod standard_names;

use std::fmt;

use http::uri::Authority;
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header,
    request, response,
};

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

    /// Returns the first value of a header if it is visible ASCII. The case of `name` does not matter.
    ///
    /// The result is `None` if the header is absent or has other bytes; [`headers`](Self::headers) returns those too.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let value = self.values(name).next()?;
        let is_text = |byte: &u8| matches!(byte, b'\t' | 0x20..=0x7e);
        std::str::from_utf8(value).ok().filter(|_| value.iter().all(is_text))
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

/// The head of a response, read-only.
///
/// ```
/// use http::Response;
/// use http_retry::ResponseHead;
///
/// let response = Response::builder().status(500).header("x-should-retry", "false").body(()).unwrap();
/// let head = ResponseHead::from(&response);
/// assert_eq!((head.status().as_u16(), head.should_retry()), (500, Some(false)));
/// ```
#[derive(Clone, Copy)]
pub struct ResponseHead<'a> {
    status: StatusCode,
    headers: &'a HeaderMap,
    extensions: &'a Extensions,
}

impl<'a> ResponseHead<'a> {
    /// Returns the status code.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the headers.
    pub fn headers(&self) -> &'a HeaderMap {
        self.headers
    }

    /// Returns the server's explicit answer whether the client should retry, if it gives one. It stands in
    /// `x-should-retry` or `stripe-should-retry` and is exactly `true` or `false` (OpenAI, Anthropic and Stripe SDKs). One
    /// `false` outranks every `true`.
    pub fn should_retry(&self) -> Option<bool> {
        let lines = SHOULD_RETRY.iter().flat_map(|name| self.headers.get_all(name));
        let answers = lines.filter_map(|value| match value.as_bytes() {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        });
        answers.min()
    }

    /// Returns the extension of type `T` that an inner layer attached to the response.
    pub fn extension<T: Send + Sync + 'static>(&self) -> Option<&'a T> {
        self.extensions.get()
    }
}

impl<'a, B> From<&'a Response<B>> for ResponseHead<'a> {
    fn from(response: &'a Response<B>) -> Self {
        Self { status: response.status(), headers: response.headers(), extensions: response.extensions() }
    }
}

impl<'a> From<&'a response::Parts> for ResponseHead<'a> {
    fn from(parts: &'a response::Parts) -> Self {
        Self { status: parts.status, headers: &parts.headers, extensions: &parts.extensions }
    }
}

impl fmt::Debug for ResponseHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseHead").field("status", &self.status).finish_non_exhaustive()
    }
}

static SHOULD_RETRY: [HeaderName; 2] =
    [HeaderName::from_static("x-should-retry"), HeaderName::from_static("stripe-should-retry")];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(uri: &str, host_header: Option<&str>, authority: &str, host: &str) {
        let mut request = Request::get(uri).body(()).unwrap();
        if let Some(value) = host_header {
            request.headers_mut().insert(header::HOST, value.parse().unwrap());
        }
        let head = RequestHead::from(&request);
        assert_eq!((head.authority(), head.host()), (Some(authority), Some(host)), "{uri} {host_header:?}");
        assert!(!format!("{head:?}").contains("secret"), "{head:?}");
    }

    #[track_caller]
    fn check_upgrade<const N: usize>(lines: [&str; N], expected: bool) {
        let mut request =
            Request::get("http://host.example/").header("connection", "Upgrade").body(()).unwrap();
        for line in lines {
            request.headers_mut().append(header::UPGRADE, line.parse().unwrap());
        }
        let snapshot = HeadSnapshot::new(&request);
        for head in [RequestHead::from(&request), RequestHead::from(&snapshot)] {
            assert_eq!(
                (head.is_connect_or_upgrade(), head.looked_over().is_connect_or_upgrade()),
                (expected, expected),
                "{lines:?}"
            );
        }
    }

    #[test]
    fn an_upgrade_to_another_or_an_unknown_protocol_counts() {
        check_upgrade([" ,"], true);
        check_upgrade(["websocket"], true);
        check_upgrade(["WebSocket"], true);
        check_upgrade(["TLS/1.2, HTTP/1.1"], true);
        check_upgrade(["connect-udp"], true);
        check_upgrade(["h2"], true);
        check_upgrade(["h2cx"], true);
        check_upgrade(["h2c, websocket"], true);
        check_upgrade(["h2c", "IRC/6.9"], true);
        check_upgrade(["h2c websocket"], true);
    }

    #[test]
    fn an_upgrade_to_another_version_of_http_does_not_count() {
        check_upgrade([], false);
        check_upgrade(["h2c"], false);
        check_upgrade(["H2C"], false);
        check_upgrade([" ,\th2c , HTTP/2.0,"], false);
        check_upgrade(["h2c", "http/3.0"], false);
        check_upgrade(["HTTP"], false);
    }

    #[test]
    fn connect_counts_with_any_upgrade_header() {
        let request = Request::connect("host.example:443").header("upgrade", "h2c").body(()).unwrap();
        assert!(RequestHead::from(&request).is_connect_or_upgrade());
    }

    #[test]
    fn the_authority_has_no_password_and_the_host_no_port() {
        check("http://host.example/", None, "host.example", "host.example");
        check("http://host.example:80/", Some("other"), "host.example:80", "host.example");
        check("http://user:secret@host.example:80/", None, "host.example:80", "host.example");
        check("http://[::1]:80/", None, "[::1]:80", "[::1]");
        check("http://[::1]/", None, "[::1]", "[::1]");
        check("/", Some("host.example:80"), "host.example:80", "host.example");
        check("/", Some("user:secret@host.example:80"), "host.example:80", "host.example");
        check("/", Some("::1"), "::1", "::1");
    }
}
