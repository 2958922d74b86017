//! The replies that the gateway makes itself, with the words that say what failed and which key decided.

use std::time::Duration;

use http::{HeaderValue, Response, header};
use http_body_util::Either;
use tower_http_retry::FailureKind;
use tower_http_retry::failure::failure_kind_assuming_sent;
use tower_http_retry::pace::PaceRejection;

use crate::message::grpc_call;
use crate::message::problem::ProblemDetails;
use crate::proxy::record::RequestRecord;
use crate::telemetry::request_log::BodyFailure;
use crate::upstream::error::AttemptError;
use crate::upstream::pool::error::SendError;
use crate::upstream::response_body::GatewayBody;

/// A reply of the gateway's own: the problem, and the words about this request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalReply {
    pub(crate) problem: ProblemDetails,
    pub(crate) detail: &'static str,
    /// The time after which another request may succeed, if the gateway knows more than that of the problem.
    pub(crate) retry_after: Option<Duration>,
}

impl LocalReply {
    /// Creates the response to a client: problem details, or the status of a gRPC call.
    pub(super) fn response(self, record: &RequestRecord) -> Response<GatewayBody> {
        let mut response = match record.grpc_call {
            Some(call) => call.reply(self.problem, self.detail),
            None => self.problem.response(self.detail, record.request_log.attempts()),
        };
        if let (Some(time), None) = (self.retry_after, record.grpc_call) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(time)));
        }
        response.map(|body| Either::Right(Box::new(body)))
    }

    /// Tells the client of a gRPC call in `response` whether it may resend the call. `gave_up` is set if the gateway has
    /// done what resends can do.
    pub(super) fn set_pushback(
        self,
        response: &mut Response<GatewayBody>,
        record: &RequestRecord,
        gave_up: bool,
    ) {
        if record.grpc_call.is_some() {
            grpc_call::set_pushback(response.headers_mut(), self.problem, self.retry_after, !gave_up);
        }
    }
}

/// Returns a time in seconds, rounded up, so that a client that obeys it is not early. The least is a second.
fn whole_seconds(time: Duration) -> u64 {
    let is_more = time.subsec_nanos() != 0;
    time.as_secs().saturating_add(is_more.into()).max(1)
}

/// Returns the reply to a request whose last attempt got no response.
pub(super) fn to_attempt_error(error: &AttemptError) -> LocalReply {
    const TIMEOUT: &str = "the upstream sent no response within per_try_timeout or timeout";
    let (problem, detail) = match error {
        AttemptError::Paced { rejection: PaceRejection::TooLong, .. } => {
            (ProblemDetails::Paced, "the wait for the upstream's limit ends after the route's timeout")
        }
        AttemptError::Paced { .. } => {
            (ProblemDetails::Paced, "the waiters limit of the upstream's pace is reached")
        }
        AttemptError::Timeout(_) => (ProblemDetails::Timeout, TIMEOUT),
        AttemptError::ResponseIdle(_) => {
            (ProblemDetails::Timeout, "the upstream sent no part of its response for response_idle_timeout")
        }
        AttemptError::Overflow(_) => {
            (ProblemDetails::Overflow, "the upstream's max_requests limit is reached")
        }
        AttemptError::Upload(_) => (ProblemDetails::BadRequest, "the request body is incomplete"),
        AttemptError::Target => (ProblemDetails::BadRequest, "invalid request target"),
        AttemptError::Client(_) if error.is_out_of_descriptors() => (
            ProblemDetails::Overflow,
            "the gateway has no file descriptor left for a connection to the upstream (ulimit -n)",
        ),
        AttemptError::Down(_) => (
            ProblemDetails::Unreachable,
            "no endpoint of the upstream took a connection within wait_while_down",
        ),
        AttemptError::Shutdown => {
            (ProblemDetails::Shutdown, "the request still waited at the end of drain_timeout")
        }
        AttemptError::TooManyWaiters(_) => {
            (ProblemDetails::Overflow, "the upstream's max_pending_requests limit is reached")
        }
        AttemptError::Redispatch(error) => return to_attempt_error(error),
        AttemptError::Client(SendError::HeadTooLarge(_)) => (
            ProblemDetails::BadResponse,
            "the head of the upstream's response exceeds max_response_headers or max_response_header_bytes",
        ),
        AttemptError::Client(SendError::Malformed(_)) => {
            (ProblemDetails::BadResponse, "the upstream's response is not valid HTTP")
        }
        AttemptError::Client(SendError::NoConnection(_)) => {
            (ProblemDetails::Overflow, "all streams of the connections to the upstream are in use")
        }
        AttemptError::UpgradeOverHttp2 => {
            (ProblemDetails::NotImplemented, "the upstream has protocol = \"http2\", which has no upgrades")
        }
        AttemptError::Client(_) => match failure_kind_assuming_sent(error) {
            FailureKind::NeverSent => (ProblemDetails::Unreachable, "the upstream could not be reached"),
            FailureKind::Unprocessed => {
                (ProblemDetails::Unreachable, "the upstream did not process the request")
            }
            FailureKind::Timeout => (ProblemDetails::Timeout, TIMEOUT),
            FailureKind::Permanent => (
                ProblemDetails::Unusable,
                "the connection to the upstream fails each time, as with an untrusted certificate",
            ),
            _ => (ProblemDetails::Disconnected, "the connection to the upstream failed before the response"),
        },
    };
    let retry_after = match error {
        AttemptError::Paced { retry_after, .. } => *retry_after,
        _ => None,
    };
    LocalReply { problem, detail, retry_after }
}

/// Returns the reply to a request whose body failed.
pub(super) fn to_body_failure(failure: BodyFailure) -> LocalReply {
    let (problem, detail) = match failure {
        BodyFailure::Timeout => (
            ProblemDetails::BodyTimeout,
            "the client sent no part of the request body for limits.body_timeout",
        ),
        BodyFailure::TooSlow => (
            ProblemDetails::BodyTimeout,
            "the client sent less of the request body than limits.body_min_rate",
        ),
        BodyFailure::Incomplete | BodyFailure::Aborted => {
            (ProblemDetails::BadRequest, "the request body is incomplete")
        }
    };
    LocalReply { problem, detail, retry_after: None }
}
