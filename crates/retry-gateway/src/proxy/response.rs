//! What becomes of a request that is on its way: the outcome of its last attempt, made the client's.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Either;
use pin_project_lite::pin_project;
use tower_http_retry::failure::failure_kind_assuming_sent;
use tower_http_retry::future::ResponseFuture;
use tower_http_retry::markers::{Concrete, Paced};
use tower_http_retry::pace::PaceRejection;
use tower_http_retry::{FailureKind, PaceError, RetryInfo};

use crate::connection::rejection::Rejection;
use crate::llm::BodySignal;
use crate::message::forwarding;
use crate::message::problem::ProblemDetails;
use crate::message::upgrade::Upgrade;
use crate::proxy::fallback::Ended;
use crate::proxy::policy::GatewayPolicy;
use crate::proxy::record::Record;
use crate::telemetry::reason::FallbackReason;
use crate::telemetry::request_log::RequestLog;
use crate::upstream::error::AttemptError;
use crate::upstream::request_body::Upload;
use crate::upstream::response_body::{GatewayBody, UpstreamBody};
use crate::upstream::service::Attempts;

pin_project! {
    /// Resolves with the answer to a request. Written out, because an `async` block would hold all of it twice, and it
    /// is moved a few times before it is polled.
    pub(crate) struct Answer {
        #[pin]
        pub(crate) sent: Sent,
        pub(crate) record: Record,
        pub(crate) tunnel: Option<Upgrade>,
        pub(crate) is_http1: bool,
        pub(crate) explains: bool,
    }
}

pin_project! {
    /// The attempts of a request.
    #[project = SentProj]
    pub(crate) enum Sent {
        Unpaced { #[pin] attempts: ResponseFuture<Attempts, GatewayPolicy, Upload> },
        Paced { attempts: Pin<Box<ResponseFuture<Attempts, GatewayPolicy, Upload, Concrete, Paced>>> },
        /// To one upstream after the other.
        Several { attempts: Pin<Box<dyn Future<Output = Ended> + Send>> },
        /// None is made: the gateway itself has an answer.
        Never { problem: ProblemDetails, detail: &'static str },
    }
}

impl Future for Answer {
    type Output = Result<Response<GatewayBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (result, info) = match this.sent.project() {
            SentProj::Unpaced { mut attempts } => {
                let result = ready!(attempts.as_mut().poll(cx)).map_err(PaceError::Inner);
                (result.map(|response| response.map(UpstreamBody::from)), attempts.info())
            }
            SentProj::Paced { attempts } => {
                let result = ready!(attempts.as_mut().poll(cx));
                (result.map(|response| response.map(UpstreamBody::from)), attempts.info())
            }
            SentProj::Several { attempts } => {
                let Ended { result, info, seat, fallen } = ready!(attempts.as_mut().poll(cx));
                (this.record.seat, this.record.fallen) = (seat, Some(Box::new(fallen)));
                if let Err(PaceError::Inner(AttemptError::Overflow)) = result {
                    this.record.rejection = Some(Rejection::Overflow);
                }
                (result, info)
            }
            SentProj::Never { problem, detail } => {
                let mut response = answer(*problem, detail, &this.record.request_log);
                if *this.is_http1 {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                this.record.status = Some(response.status());
                return Poll::Ready(Ok(response));
            }
        };
        this.record.info = info;
        let mut response = match result {
            Err(_) if this.record.request_log.body_timed_out() => {
                this.record.rejection = Some(Rejection::BodyTimeout);
                let detail = "nothing came of it for as long as the gateway waits";
                answer(ProblemDetails::BodyTimeout, detail, &this.record.trail)
            }
            // Nobody is there any more, or somebody who closed one half of the connection.
            Err(_) if this.record.request_log.body_aborted() => {
                let detail = "its body broke off";
                return Poll::Ready(Ok(answer(ProblemDetails::BadRequest, detail, &this.record.trail)));
            }
            Err(error) => refusal(&error, &this.record.request_log),
            Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS && this.tunnel.is_none() => {
                // Nobody asked for it, so the client would take what follows for its next answer.
                refusal(&PaceError::Inner(AttemptError::Framing), &this.record.request_log)
            }
            Ok(mut response) => {
                BodySignal::clear(&mut response);
                forwarding::response(&mut response);
                if *this.is_http1 && response.body().is_early() {
                    // hyper closes it, because the client may send its body all the same.
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                let mut turn = this.record.turn.take();
                if let Some(tunnel) = this.tunnel.take() {
                    turn = tunnel.start_tunnel(&mut response, turn);
                }
                response.body_mut().hold(this.record.seat.take(), turn);
                response.map(Either::Left)
            }
        };
        if *this.explains {
            explain(&mut response, this.record, info);
        }
        this.record.status = Some(response.status());
        Poll::Ready(Ok(response))
    }
}

/// Says on the response what happened.
fn explain(response: &mut Response<GatewayBody>, record: &Record, info: Option<RetryInfo>) {
    let headers = response.headers_mut();
    headers.insert(ATTEMPTS, HeaderValue::from(record.request_log.attempts()));
    if let Some(name) = record.one_of_several().and_then(|name| HeaderValue::from_str(name).ok()) {
        headers.insert(UPSTREAM, name);
    }
    let reason = info.and_then(|info| info.reason()).map(|reason| reason.as_str());
    let cause = info.and_then(|info| info.cause()).map(|cause| cause.as_str());
    let why = record.fallen.as_ref().and_then(|fallen| fallen.why).map(FallbackReason::as_str);
    if let Some(word) = reason.or(cause).or(why) {
        headers.insert(REASON, HeaderValue::from_static(word));
    }
}

/// What the client gets where there is no response at all.
fn refusal(error: &PaceError<AttemptError>, request_log: &RequestLog) -> Response<GatewayBody> {
    let what = match error {
        PaceError::Rejected(PaceRejection::Deadline)
        | PaceError::Inner(AttemptError::Paced(PaceRejection::Deadline)) => {
            (ProblemDetails::Paced, "the upstream wants quiet until after the route's timeout")
        }
        PaceError::Rejected(_) | PaceError::Inner(AttemptError::Paced(_)) => {
            (ProblemDetails::Paced, "as many requests wait for the upstream as may")
        }
        PaceError::Inner(AttemptError::Timeout(_)) => (ProblemDetails::Timeout, "no response in time"),
        PaceError::Inner(AttemptError::Framing) => {
            (ProblemDetails::Disconnected, "it is not clear where the upstream's answer ends")
        }
        PaceError::Inner(AttemptError::Overflow) => (ProblemDetails::Overflow, NO_SEAT),
        PaceError::Inner(AttemptError::Target) => (ProblemDetails::BadRequest, "its target makes no URI"),
        PaceError::Inner(error @ AttemptError::Client(_)) => match failure_kind_assuming_sent(error) {
            FailureKind::NeverSent => (ProblemDetails::Unreachable, "the upstream could not be reached"),
            FailureKind::Unprocessed => {
                (ProblemDetails::Unreachable, "the upstream refused the request unprocessed")
            }
            FailureKind::Timeout => (ProblemDetails::Timeout, "no response in time"),
            FailureKind::Permanent => (
                ProblemDetails::Unusable,
                "it would fail in the same way each time: is its certificate trusted?",
            ),
            _ => (ProblemDetails::Disconnected, "the connection broke before the upstream answered"),
        },
    };
    answer(what.0, what.1, request_log)
}

fn answer(problem: ProblemDetails, detail: &str, trail: &Trail) -> Response<GatewayBody> {
    problem.response(detail, trail.attempts()).map(Either::Right)
}

/// What is said where an upstream has no room.
pub(crate) const NO_SEAT: &str = "as many requests are under way to the upstream as may";
const ATTEMPTS: HeaderName = HeaderName::from_static("x-retry-attempts");
const UPSTREAM: HeaderName = HeaderName::from_static("x-retry-upstream");
const REASON: HeaderName = HeaderName::from_static("x-retry-reason");
