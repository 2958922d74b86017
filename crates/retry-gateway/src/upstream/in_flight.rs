//! An attempt at its endpoint, until the head of its response, or the start of its body where the gateway reads that.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Response;
use tokio::time::Instant;

use crate::connection::request_limit::RequestPermit;
use crate::connection::wait_reason::WaitReason;
use crate::llm::{self, Inspected, Inspection, MaybePeeked};
use crate::message::validate;
use crate::telemetry::request_log::RequestLog;
use crate::time::pooled_timeout::PooledTimeout;
use crate::upstream::error::AttemptError;
use crate::upstream::grpc_trailers;
use crate::upstream::pool::SendFuture;
use crate::upstream::pool::error::SendError;
use crate::upstream::settings::AttemptSettings;
use crate::upstream::timed_body::TimedBody;

/// The result of an attempt, with its permit.
pub(super) type AttemptResult = Result<(Response<MaybePeeked<TimedBody>>, RequestPermit), AttemptError>;

/// An attempt that was sent to its endpoint.
pub(crate) enum InFlight {
    /// The attempt waits for the response head. By the request's clock, `deadline` is the earlier of the ends
    /// of the per-try timeout and of the route's timeout. The timer fires then at the latest.
    AwaitingHead { response: SendFuture, timer: PooledTimeout, deadline: Instant },
    /// The gateway reads the start of the response body.
    Peeking {
        peek: Pin<Box<dyn Future<Output = Inspected<TimedBody>> + Send>>,
        /// `None` once the future has resolved.
        permit: Option<RequestPermit>,
    },
}

impl InFlight {
    /// Creates an attempt that started at `started`. `deadline` is the end of the route's timeout by the
    /// request's clock.
    pub(crate) fn new(
        settings: &AttemptSettings,
        request_log: &RequestLog,
        response: SendFuture,
        started: Instant,
        deadline: Instant,
    ) -> Self {
        let deadline = settings.per_try_timeout.map_or(deadline, |limit| {
            let started = started.checked_sub(request_log.clock().stopped_for()).unwrap_or(started);
            deadline.min(started + limit)
        });
        Self::AwaitingHead { response, timer: settings.timers.sleep_until(deadline), deadline }
    }

    pub(super) fn poll(
        &mut self,
        settings: &Arc<AttemptSettings>,
        request_log: &RequestLog,
        cx: &mut Context<'_>,
    ) -> Poll<AttemptResult> {
        loop {
            match self {
                Self::AwaitingHead { response, timer, deadline } => {
                    // A connection that comes once the time is up gets no request.
                    let is_late = !response.is_sent()
                        && poll_timeout(settings, request_log, timer, *deadline, cx).is_ready();
                    let polled = if is_late { Poll::Pending } else { response.poll(&settings.limit, cx) };
                    let (response, permit) = match polled {
                        Poll::Ready(response) => response.map_err(AttemptError::from_send)?,
                        Poll::Pending => {
                            let is_sent = response.is_sent();
                            request_log.set_waits_for((!is_sent).then_some(WaitReason::Connection));
                            if !is_late {
                                ready!(poll_timeout(settings, request_log, timer, *deadline, cx));
                            }
                            return Poll::Ready(Err(match response.on_timeout() {
                                Some(not_sent) => AttemptError::from_send(not_sent),
                                None => AttemptError::Timeout(io::ErrorKind::TimedOut.into()),
                            }));
                        }
                    };
                    if !validate::has_valid_framing(response.headers()) {
                        return Poll::Ready(Err(AttemptError::Client(SendError::ambiguous_framing())));
                    }
                    let response = response.map(|body| TimedBody::new(body, settings));
                    // Most routes look at no body, and each further step would move the response.
                    if settings.inspection.is_none() && !settings.is_grpc {
                        return Poll::Ready(Ok((response.map(MaybePeeked::Unread), permit)));
                    }
                    // The inspection happens below the endpoint's pace and the log, because both act on its
                    // result.
                    let deadline = || *deadline + request_log.clock().stopped_for();
                    let timers = &settings.timers;
                    let inspection = match llm::inspect(settings.inspection, response, deadline, timers) {
                        Inspection::NotNeeded(response) if settings.is_grpc => {
                            grpc_trailers::move_status_to_head(response, timers, cx)
                        }
                        inspection => inspection,
                    };
                    match inspection {
                        Inspection::NotNeeded(response) => return Poll::Ready(Ok((response, permit))),
                        Inspection::Running(peek) => {
                            request_log.set_waits_for(None);
                            *self = Self::Peeking { peek, permit: Some(permit) };
                        }
                    }
                }
                Self::Peeking { peek, permit } => {
                    let response = ready!(peek.as_mut().poll(cx));
                    let response = response.map_err(AttemptError::from_body)?;
                    let permit = permit.take().expect(ALREADY_RESOLVED);
                    return Poll::Ready(Ok((response, permit)));
                }
            }
        }
    }
}

/// Resolves when the request's clock has reached `deadline`. The clock stands still now and then, so the
/// timer may fire before that, and is set again.
fn poll_timeout(
    settings: &AttemptSettings,
    request_log: &RequestLog,
    timer: &mut PooledTimeout,
    deadline: Instant,
    cx: &mut Context<'_>,
) -> Poll<()> {
    loop {
        ready!(Pin::new(&mut *timer).poll(cx));
        let (now, clock) = (Instant::now(), request_log.clock());
        let left = (deadline + clock.stopped_for()).saturating_duration_since(now);
        if left.is_zero() {
            return Poll::Ready(());
        }
        // As long as the clock stands still, the time left stays as it is.
        let pause = if clock.is_stopped() { left.max(STOPPED_CLOCK_CHECK) } else { left };
        timer.reset(&settings.timers, now + pause);
    }
}

/// The least time between two looks at a clock that stands still. It bounds how late a timeout passes after
/// the clock has gone on.
const STOPPED_CLOCK_CHECK: Duration = Duration::from_millis(20);
const ALREADY_RESOLVED: &str = "the attempt's future is not polled after it has resolved";
