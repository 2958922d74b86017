//! Local replies: responses of the gateway's own, with problem details (RFC 9457) as their body.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;
use tower_http_retry::grpc::GrpcCode;

/// The problem for which the gateway answers a request itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProblemDetails {
    /// No route matches the request.
    NoRoute,
    /// The request is invalid, or of a kind that the gateway does not forward.
    BadRequest,
    /// The request has more header lines than `limits.headers` allows.
    HeadTooLarge,
    /// The request has come back to the gateway too often.
    Loop,
    /// The client sent nothing of the body for `limits.body_timeout`, or less than `limits.body_min_rate`.
    BodyTimeout,
    /// A limit is reached: `limits.connections`, or the upstream's `max_requests`.
    Overflow,
    /// The gateway stops, and the request still waits.
    Shutdown,
    /// No endpoint accepted a connection, or none processed the request.
    Unreachable,
    /// The request fails in the same way at each attempt, such as on a certificate that is not trusted.
    Unusable,
    /// The pace of the upstream rejected the request: the wait would be too long, or its queue is full.
    Paced,
    /// The connection to the upstream closed before a response.
    Disconnected,
    /// The response of the upstream is malformed, or above a limit.
    BadResponse,
    /// The upstream cannot do what the request asks for, such as an upgrade over HTTP/2.
    NotImplemented,
    /// The upstream did not respond in time.
    Timeout,
}

#[derive(Serialize)]
struct ProblemBody<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    attempts: u32,
}

impl ProblemDetails {
    /// Returns the status of the local reply.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Loop => StatusCode::LOOP_DETECTED,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Overflow | Self::Unreachable | Self::Paced | Self::Shutdown => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Unusable | Self::BadResponse | Self::Disconnected => StatusCode::BAD_GATEWAY,
            Self::NotImplemented => StatusCode::NOT_IMPLEMENTED,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// Returns the code for a gRPC call.
    pub(crate) fn grpc_code(self) -> GrpcCode {
        match self {
            Self::NoRoute | Self::NotImplemented => GrpcCode::Unimplemented,
            Self::BadRequest => GrpcCode::InvalidArgument,
            Self::HeadTooLarge | Self::Overflow | Self::Paced => GrpcCode::ResourceExhausted,
            Self::Loop | Self::BadResponse => GrpcCode::Internal,
            Self::Shutdown | Self::Unreachable | Self::Unusable | Self::Disconnected => GrpcCode::Unavailable,
            Self::BodyTimeout | Self::Timeout => GrpcCode::DeadlineExceeded,
        }
    }

    /// Returns what happened, in a sentence.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::NoRoute => "No route matches the request",
            Self::BadRequest => "The gateway cannot forward the request",
            Self::Loop => "The request came back to the gateway",
            Self::HeadTooLarge => "The request has too many header lines",
            Self::BodyTimeout => "The request body did not arrive in time",
            Self::Overflow => "A limit is reached",
            Self::Shutdown => "The gateway stops",
            Self::Unreachable => "The upstream cannot be reached",
            Self::Unusable => "The upstream cannot be used",
            Self::Paced => "The upstream asked for fewer requests",
            Self::BadResponse => "The upstream's response cannot be forwarded",
            Self::NotImplemented => "The upstream does not support the request",
            Self::Disconnected => "The upstream closed the connection before it responded",
            Self::Timeout => "The upstream did not respond in time",
        }
    }

    /// Returns the time after which another request may succeed; `None` where it fails in the same way.
    fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Loop
            | Self::NoRoute
            | Self::BadRequest
            | Self::HeadTooLarge
            | Self::BodyTimeout
            | Self::Unusable
            | Self::BadResponse
            | Self::NotImplemented => None,
            Self::Overflow
            | Self::Shutdown
            | Self::Unreachable
            | Self::Paced
            | Self::Disconnected
            | Self::Timeout => Some(Duration::from_secs(1)),
        }
    }

    /// Returns the time after which the request itself may be sent again, whatever it does: the upstream did not process it,
    /// and may do so then.
    pub(crate) fn resend_after(self) -> Option<Duration> {
        self.retry_after().filter(|_| !matches!(self, Self::Disconnected | Self::Timeout))
    }

    /// Creates the local reply. `detail` says what happened to this request, and names the config key that
    /// decided.
    pub(crate) fn response(self, detail: &str, attempts: u32) -> Response<Full<Bytes>> {
        let status = self.status();
        let problem = ProblemBody {
            r#type: "about:blank",
            title: self.title(),
            status: status.as_u16(),
            detail,
            attempts,
        };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
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

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    /// Checks the status, the delay of `Retry-After` in seconds, and the title of a local reply.
    #[track_caller]
    fn check(problem: ProblemDetails, status: u16, retry_after: Option<&str>, title: &str) {
        let response = problem.response("the detail", 2);
        assert_eq!(response.status(), status, "{problem:?}");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let header = response.headers().get("retry-after").map(|value| value.to_str().unwrap());
        assert_eq!(header, retry_after, "{problem:?}");
        let expected = format!(
            "{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{status},\"detail\":\"the detail\",\"attempts\":2}}"
        );
        assert_eq!(text_of(response.into_body()), expected, "{problem:?}");
    }

    fn text_of(body: Full<Bytes>) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let bytes = runtime.block_on(body.collect()).unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn each_problem_has_its_status_and_title() {
        use ProblemDetails::*;
        check(NoRoute, 404, None, "No route matches the request");
        check(BadRequest, 400, None, "The gateway cannot forward the request");
        check(Loop, 508, None, "The request came back to the gateway");
        check(HeadTooLarge, 431, None, "The request has too many header lines");
        check(BodyTimeout, 408, None, "The request body did not arrive in time");
        check(Overflow, 503, Some("1"), "A limit is reached");
        check(Shutdown, 503, Some("1"), "The gateway stops");
        check(Unreachable, 503, Some("1"), "The upstream cannot be reached");
        check(Unusable, 502, None, "The upstream cannot be used");
        check(Paced, 503, Some("1"), "The upstream asked for fewer requests");
        check(Disconnected, 502, Some("1"), "The upstream closed the connection before it responded");
        check(Timeout, 504, Some("1"), "The upstream did not respond in time");
    }
}
