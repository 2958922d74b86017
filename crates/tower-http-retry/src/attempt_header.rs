//! The header in which a resend tells the server that it is one.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::grpc;

/// The header in which a resend tells the server that it is one; see
/// [`attempt_header`](crate::RetryLayer::attempt_header).
///
/// Any header's name can be made one, which has the attempt's number then: 2 on the first resend.
///
/// ```
/// use http::HeaderName;
/// use tower_http_retry::{AttemptHeader, RetryLayer};
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
    /// `grpc-previous-rpc-attempts`: how often the call was sent before, 1 on the first resend (gRPC A6). Set on
    /// requests of gRPC alone.
    pub const fn grpc() -> Self {
        Self { name: HeaderName::from_static("grpc-previous-rpc-attempts"), is_grpc: true }
    }

    pub(crate) fn set(&self, number: u32, headers: &mut HeaderMap) {
        if !self.is_grpc {
            headers.insert(&self.name, HeaderValue::from(number));
        } else if grpc::is_grpc(headers) {
            headers.insert(&self.name, HeaderValue::from(number.saturating_sub(1)));
        }
    }
}

impl From<HeaderName> for AttemptHeader {
    fn from(name: HeaderName) -> Self {
        Self { name, is_grpc: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: AttemptHeader, content_type: Option<&'static str>, expected: Option<(&str, &str)>) {
        let mut headers = HeaderMap::new();
        header.set(2, &mut headers);
        assert_eq!(headers.len(), usize::from(!header.is_grpc));
        headers
            .extend(content_type.map(|value| (http::header::CONTENT_TYPE, HeaderValue::from_static(value))));
        header.set(3, &mut headers);
        headers.remove(http::header::CONTENT_TYPE);
        let found = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        assert_eq!(found.collect::<Vec<_>>(), expected.into_iter().collect::<Vec<_>>(), "{content_type:?}");
    }

    #[test]
    fn grpc_counts_from_none_and_on_its_own_requests_alone() {
        let previous = ("grpc-previous-rpc-attempts", "2");
        for content_type in ["application/grpc", "application/grpc+proto", "application/grpc;v=1"] {
            check(AttemptHeader::grpc(), Some(content_type), Some(previous));
        }
        for content_type in ["application/grpc-web", "application/json", "text/plain", ""] {
            check(AttemptHeader::grpc(), Some(content_type), None);
        }
        check(AttemptHeader::grpc(), None, None);
    }

    #[test]
    fn any_other_has_the_attempts_number() {
        let header = || AttemptHeader::from(HeaderName::from_static("x-retry-attempt"));
        check(header(), Some("text/plain"), Some(("x-retry-attempt", "3")));
        check(header(), None, Some(("x-retry-attempt", "3")));
    }
}
