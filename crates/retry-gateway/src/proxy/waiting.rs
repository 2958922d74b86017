//! A request that waits: its permit at the upstream, and what it waits for.

use http_retry::Why;

use crate::connection::request_limit::WaitPermit;
use crate::connection::wait_reason::WaitReason;
use crate::proxy::upstream_route::RouteTarget;
use crate::telemetry::request_log::RequestLog;
use crate::upstream::error::AttemptError;

/// The permit of a request while it waits for a resend, the pace, a connection, or an endpoint that takes one. It is
/// empty while an endpoint has the request.
#[derive(Debug, Default)]
pub(crate) struct WaitingPermit(Option<WaitPermit>);

impl WaitingPermit {
    /// Takes or returns the permit of a request that has no outcome yet. `pace_why` tells what the request waits for at the
    /// pace of its upstream, if it does.
    ///
    /// # Errors
    ///
    /// Returns an error if `max_pending_requests` is reached.
    #[inline]
    pub(crate) fn update(
        &mut self,
        request_log: &RequestLog,
        target: &RouteTarget,
        pace_why: impl FnOnce() -> Option<Why>,
    ) -> Result<(), AttemptError> {
        let Some(reason) = request_log.waits_for() else {
            self.0 = None;
            return Ok(());
        };
        let reason = match reason {
            WaitReason::Pace | WaitReason::Backoff => between_attempts(reason, pace_why()),
            reason => reason,
        };
        match &mut self.0 {
            Some(permit) => permit.set_reason(reason),
            None => self.0 = Some(try_wait(target, reason)?),
        }
        Ok(())
    }

    /// Takes the permit of a request whose body names the model of its pace, and has not come yet.
    pub(crate) fn wait_for_body(&mut self, target: &RouteTarget) {
        if self.0.is_none() {
            self.0 = target.settings.limit.try_wait(WaitReason::Body);
        }
    }
}

fn try_wait(target: &RouteTarget, reason: WaitReason) -> Result<WaitPermit, AttemptError> {
    target.settings.limit.try_wait(reason).ok_or_else(AttemptError::too_many_waiters)
}

/// Returns what a request waits for that has no attempt under way. At a pace that is the pace, or the time before which the
/// request itself must not go.
fn between_attempts(reason: WaitReason, pace_why: Option<Why>) -> WaitReason {
    match pace_why {
        Some(Why::OwnHint) => WaitReason::Backoff,
        Some(_) => WaitReason::Pace,
        None => reason,
    }
}
