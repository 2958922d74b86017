//! gRPC calls: which requests are calls, and the replies of the gateway's own that their clients understand.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};
use http_body_util::Full;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use tower_http_retry::grpc::GrpcCode;

use crate::message::problem::ProblemDetails;

/// The type of messages in which a client calls gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GrpcCall {
    Grpc,
    /// gRPC-Web, whose client reads the status of a failed call from the head too.
    Web,
    /// gRPC-Web in base64.
    WebText,
}

impl GrpcCall {
    /// Returns the kind of call that a request makes, or `None` if it is no call.
    pub(crate) fn of_request<B>(request: &Request<B>) -> Option<Self> {
        // Each call is a POST, so other requests do not pay for the look-up.
        if request.method() != Method::POST {
            return None;
        }
        let content_type = request.headers().get(header::CONTENT_TYPE)?.as_bytes();
        let rest = content_type.strip_prefix(b"application/grpc")?;
        let starts_with = |prefix: &[u8]| {
            rest.strip_prefix(prefix).is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
        };
        if starts_with(b"") {
            return Some(Self::Grpc);
        }
        if starts_with(b"-web-text") {
            return Some(Self::WebText);
        }
        starts_with(b"-web").then_some(Self::Web)
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Grpc => "application/grpc",
            Self::Web => "application/grpc-web",
            Self::WebText => "application/grpc-web-text",
        })
    }

    /// Creates the reply to a call that ends with a problem: a head that has the status, and no body (*Trailers-Only*). Only a
    /// 200 lets the client read the status; it would map any other HTTP status to a code without words.
    pub(crate) fn reply(self, problem: ProblemDetails, detail: &str) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::default());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, self.content_type());
        headers.insert(GRPC_STATUS, HeaderValue::from(problem.grpc_code() as u16));
        let message = format!("{}: {detail}", problem.title());
        let message = utf8_percent_encode(&message, NOT_IN_MESSAGE).to_string();
        // The encoded text is ASCII without controls.
        if let Ok(message) = HeaderValue::try_from(message) {
            headers.insert(GRPC_MESSAGE, message);
        }
        response
    }
}

/// Tells a client when to resend its call: after `retry_after`, if the time at which a limit opens is known, or else after the time
/// of the problem if it may resend the call. A negative number tells it not to.
pub(crate) fn set_pushback(
    headers: &mut HeaderMap,
    problem: ProblemDetails,
    retry_after: Option<Duration>,
    may_resend: bool,
) {
    let delay = problem.resend_after().and_then(|delay| retry_after.or(may_resend.then_some(delay)));
    // It is rounded up, so that a client that obeys it is not early.
    let millis = |delay: Duration| i64::try_from(delay.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX);
    let pushback = delay.map_or(-1, millis);
    headers.insert(GRPC_PUSHBACK, HeaderValue::from(pushback));
}

/// Returns the code in a head or in trailers.
pub(crate) fn code(headers: &HeaderMap) -> Option<GrpcCode> {
    let number = headers.get(GRPC_STATUS)?.to_str().ok().and_then(|text| text.parse().ok());
    Some(number.and_then(GrpcCode::from_number).unwrap_or(GrpcCode::Unknown))
}

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");
/// The bytes that gRPC escapes in a message: `%`, and all that are not printable ASCII (`PROTOCOL-HTTP2.md`).
const NOT_IN_MESSAGE: &AsciiSet = &CONTROLS.add(b'%');

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &Method, content_type: &str, call: Option<GrpcCall>) {
        let request =
            Request::builder().method(method).header("content-type", content_type).body(()).unwrap();
        assert_eq!(GrpcCall::of_request(&request), call, "{method} {content_type}");
    }

    #[test]
    fn a_call_is_a_post_of_a_grpc_type() {
        check(&Method::POST, "application/grpc", Some(GrpcCall::Grpc));
        check(&Method::POST, "application/grpc+proto", Some(GrpcCall::Grpc));
        check(&Method::POST, "application/grpc;charset=utf-8", Some(GrpcCall::Grpc));
        check(&Method::POST, "application/grpc-web+proto", Some(GrpcCall::Web));
        check(&Method::POST, "application/grpc-web-text", Some(GrpcCall::WebText));
        check(&Method::POST, "application/grpcurl", None);
        check(&Method::POST, "application/json", None);
        check(&Method::GET, "application/grpc", None);
        assert_eq!(GrpcCall::of_request(&Request::new(())), None);
    }

    #[test]
    fn a_message_is_percent_encoded() {
        let reply = GrpcCall::Grpc.reply(ProblemDetails::Timeout, "100 % of \u{e9}\n");
        assert_eq!(reply.status(), 200);
        assert_eq!(reply.headers()["grpc-status"], "4");
        let message = "The upstream did not respond in time: 100 %25 of %C3%A9%0A";
        assert_eq!(reply.headers()["grpc-message"], message);
    }

    #[test]
    fn a_pushback_has_a_time_only_for_a_call_that_may_be_resent() {
        #[track_caller]
        fn check(problem: ProblemDetails, may_resend: bool, expected: &str) {
            let mut headers = HeaderMap::new();
            set_pushback(&mut headers, problem, None, may_resend);
            assert_eq!(headers["grpc-retry-pushback-ms"], expected, "{problem:?}");
        }
        check(ProblemDetails::Unreachable, true, "1000");
        check(ProblemDetails::Unreachable, false, "-1");
        check(ProblemDetails::Shutdown, true, "1000");
        // The server may have processed the call.
        check(ProblemDetails::Disconnected, true, "-1");
        check(ProblemDetails::Timeout, true, "-1");
        check(ProblemDetails::NoRoute, true, "-1");
        let mut headers = HeaderMap::new();
        set_pushback(&mut headers, ProblemDetails::Paced, Some(Duration::from_micros(1_500_100)), true);
        assert_eq!(headers["grpc-retry-pushback-ms"], "1501", "it is never early");
        set_pushback(&mut headers, ProblemDetails::Paced, Some(Duration::from_secs(7)), false);
        assert_eq!(headers["grpc-retry-pushback-ms"], "7000", "a resend at that time is in time");
    }

    #[test]
    fn an_unknown_code_is_unknown() {
        let of = |status| code(&HeaderMap::from_iter([(GRPC_STATUS, HeaderValue::from_static(status))]));
        assert_eq!(of("0"), Some(GrpcCode::Ok));
        assert_eq!(of("14"), Some(GrpcCode::Unavailable));
        assert_eq!(of("99"), Some(GrpcCode::Unknown));
        assert_eq!(of("soon"), Some(GrpcCode::Unknown));
        assert_eq!(code(&HeaderMap::new()), None);
    }
}
