//! The header that tells the server that a request is a resend.

use http::{HeaderName, HeaderValue, Request};

use crate::{AttemptNumber, grpc};

/// The header that tells the server that a request is a resend; see
/// [`attempt_header`](crate::RetryLayer::attempt_header).
///
/// Any header name converts into it. Such a header carries the attempt's number: 2 on the first resend.
///
/// ```
/// use http::HeaderName;
/// use tower_http_retry::RetryLayer;
/// use tower_http_retry::policy::AttemptHeader;
///
/// let named = RetryLayer::default().attempt_header(HeaderName::from_static("x-retry-attempt"));
/// let grpc = RetryLayer::default().attempt_header(AttemptHeader::grpc());
/// # let _: (RetryLayer<_>, RetryLayer<_>) = (named, grpc);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptHeader {
    name: HeaderName,
    is_grpc: bool,
}

impl AttemptHeader {
    /// Creates the header `grpc-previous-rpc-attempts`, which carries the number of retries of the call, this
    /// one included (gRPC A6). It is set on gRPC requests only, and from the first retry on. A resend of a
    /// request that never left, or that the server did not process at first, does not
    /// [count](http_retry::Session::retries).
    pub const fn grpc() -> Self {
        Self { name: HeaderName::from_static("grpc-previous-rpc-attempts"), is_grpc: true }
    }

    /// Returns whether HTTP gives a header of this name a meaning that the number of an attempt would break. Code that
    /// reads the name from a configuration rejects such a name.
    pub fn is_reserved(name: &HeaderName) -> bool {
        RESERVED_HEADERS.contains(&name.as_str())
    }

    /// Sets the header on the request of a resend, which carries its [`AttemptNumber`]. `retries` is the
    /// session's count.
    pub(crate) fn set<B>(&self, request: &mut Request<B>, retries: u32) {
        let count = match self.is_grpc {
            true if retries > 0 && grpc::is_grpc(request.headers()) => retries,
            true => return,
            false => AttemptNumber::from_request(request),
        };
        request.headers_mut().insert(&self.name, HeaderValue::from(count));
    }
}

impl From<HeaderName> for AttemptHeader {
    fn from(name: HeaderName) -> Self {
        Self { name, is_grpc: false }
    }
}

/// Headers that control how a message is read or who may read it. The number of an attempt as their value would break the
/// message: a `content-length` of 2 cuts the body of the first resend.
const RESERVED_HEADERS: [&str; 16] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "idempotency-key",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the header of the second resend in a session with this number of retries.
    #[track_caller]
    fn check(
        header: AttemptHeader,
        content_type: Option<&str>,
        retries: u32,
        expected: Option<(&str, &str)>,
    ) {
        let mut request = Request::builder().extension(AttemptNumber::new(3));
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let mut request = request.body(()).unwrap();
        header.set(&mut request, retries);
        request.headers_mut().remove("content-type");
        let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        assert_eq!(headers.collect::<Vec<_>>(), Vec::from_iter(expected), "{content_type:?} {retries}");
    }

    #[test]
    fn grpc_counts_retries_on_grpc_requests_only() {
        for content_type in ["application/grpc", "application/grpc+proto", "application/grpc;v=1"] {
            for (retries, expected) in [(2, Some("2")), (1, Some("1")), (0, None)] {
                let expected = expected.map(|count| ("grpc-previous-rpc-attempts", count));
                check(AttemptHeader::grpc(), Some(content_type), retries, expected);
            }
        }
        for content_type in ["application/grpc-web", "application/json", "text/plain", ""] {
            check(AttemptHeader::grpc(), Some(content_type), 2, None);
        }
        check(AttemptHeader::grpc(), None, 2, None);
    }

    #[test]
    fn any_other_header_carries_the_attempt_number() {
        let header = || AttemptHeader::from(HeaderName::from_static("x-retry-attempt"));
        for retries in [0, 1, 2] {
            check(header(), Some("text/plain"), retries, Some(("x-retry-attempt", "3")));
            check(header(), None, retries, Some(("x-retry-attempt", "3")));
        }
    }
}
