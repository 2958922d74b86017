//! Answers of the gateway's own, as problem details (RFC 9457).

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;

/// Why the gateway answers itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// No route fits the request.
    NoRoute,
    /// The request cannot be sent on as it is.
    BadRequest,
    /// The head has more lines than it may.
    HeadTooLarge,
    /// The client does not send its body.
    BodyTimeout,
    /// As many connections are open, or requests under way to the upstream, as may.
    Overflow,
    /// No endpoint could be reached, or none took the request.
    Unreachable,
    /// No endpoint can ever be reached in this way.
    Unusable,
    /// The upstream wants quiet for longer than the request may wait, or too many wait already.
    Paced,
    /// The upstream broke off before it answered.
    BrokenOff,
    /// The upstream did not answer in time.
    Timeout,
}

#[derive(Serialize)]
struct Details<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    attempts: u32,
}

impl Problem {
    /// The status of the answer.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Overflow | Self::Unreachable | Self::Paced => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unusable | Self::BrokenOff => StatusCode::BAD_GATEWAY,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::NoRoute => "No route fits this request",
            Self::BadRequest => "This request cannot be sent on",
            Self::HeadTooLarge => "This request has too many header lines",
            Self::BodyTimeout => "The request body did not arrive in time",
            Self::Overflow => "There is no room for more",
            Self::Unreachable => "The upstream cannot be reached",
            Self::Unusable => "The upstream cannot be used",
            Self::Paced => "The upstream wants fewer requests",
            Self::BrokenOff => "The upstream broke off before it answered",
            Self::Timeout => "The upstream did not answer in time",
        }
    }

    /// When it may be different.
    fn retry_after(self) -> Option<Duration> {
        match self {
            Self::NoRoute | Self::BadRequest | Self::HeadTooLarge | Self::BodyTimeout | Self::Unusable => {
                None
            }
            Self::Overflow | Self::Unreachable | Self::Paced | Self::BrokenOff | Self::Timeout => {
                Some(Duration::from_secs(1))
            }
        }
    }

    /// The answer. `detail` says what happened in this case.
    pub(crate) fn answer(self, detail: &str, attempts: u32) -> Response<Full<Bytes>> {
        let status = self.status();
        let details =
            Details { r#type: "about:blank", title: self.title(), status: status.as_u16(), detail, attempts };
        let body = serde_json::to_vec(&details).unwrap_or_default();
        let mut response = Response::new(Full::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(delay) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(delay.as_secs()));
        }
        response
    }
}
