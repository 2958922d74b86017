//! The rules for resends that hold for every policy: the time of a resend, and its admission.

use std::time::Duration;

use super::{ClockReading, Session};
use crate::{
    BodyState, Budget, GiveUpReason, Plan, Policy, RetryCause, RetryContext, RetryCost, RetryHint, Window,
    Withdrawal, hint,
};

/// A resend that is admitted and not yet sent.
#[derive(Debug)]
pub(super) struct PendingRetry {
    pub(super) delay: Duration,
    pub(super) source: DelaySource,
    /// The number of retries of the session, with this one.
    pub(super) retries: u32,
    pub(super) withdrawal: Option<Withdrawal<'static>>,
}

/// The party that chose the delay of a resend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DelaySource {
    /// The protocol sends the first unprocessed request again at once, uncounted (gRPC A6, "transparent").
    Protocol,
    /// The server named the delay in a hint.
    Server,
    /// The policy sends an attempt again at once that was never sent, because another server may take it. The backoff does
    /// not begin yet.
    Redispatch,
    /// The policy scheduled it.
    Policy,
}

/// Returns whether the resend is transparent, as if the previous attempt had not been made (gRPC A6).
pub(super) fn is_transparent(source: DelaySource, cause: RetryCause) -> bool {
    source == DelaySource::Protocol || cause == RetryCause::NeverSent
}

impl Session {
    /// Returns the window of the resend. The policy plans it, and it never opens before the server's hint.
    pub(super) fn schedule<P: Policy + ?Sized>(
        &self,
        policy: &P,
        context: &RetryContext<'_>,
    ) -> Result<(Window, DelaySource), GiveUpReason> {
        if context.hint == Some(RetryHint::Never) {
            return Err(GiveUpReason::ServerSaidNo);
        }
        let window = match policy.schedule(context) {
            Plan::Resend(window) => window,
            Plan::GiveUp(reason) => return Err(reason),
        };
        match context.hint {
            // A hint of zero leaves the time to the policy. Only a pushback of zero means at once (gRPC A6).
            Some(RetryHint::After(hint))
                if !hint.is_zero() || context.hint_header == Some(hint::PUSHBACK) =>
            {
                let window = window.opening_at(hint);
                match self.is_paced {
                    true => Ok((Window::exactly(window.earliest), DelaySource::Server)),
                    false => Ok((spread_within(window, context.remaining), DelaySource::Server)),
                }
            }
            _ if context.cause == RetryCause::Unprocessed && !self.immediate_resend_used() => {
                Ok((Window::exactly(Duration::ZERO), DelaySource::Protocol))
            }
            _ if context.cause == RetryCause::NeverSent && window.latest.is_zero() => {
                Ok((window, DelaySource::Redispatch))
            }
            _ => Ok((window, DelaySource::Policy)),
        }
    }

    /// Admits a resend, or returns the reason against it. The cheapest check comes first, so that a resend that cannot be sent
    /// costs nothing.
    pub(super) fn admit(
        &self,
        mut pending: PendingRetry,
        context: &RetryContext<'_>,
        budget: Option<&Budget>,
        reading: ClockReading,
    ) -> Result<PendingRetry, GiveUpReason> {
        let has_attempts_left = match pending.source {
            // This resend does not count, but a limit of one attempt excludes it too.
            DelaySource::Protocol => self.max_attempts > 1,
            DelaySource::Server | DelaySource::Redispatch | DelaySource::Policy => {
                context.attempts_used.saturating_sub(self.uncounted) < self.max_attempts
            }
        };
        if !has_attempts_left {
            return Err(GiveUpReason::MaxAttempts);
        }
        if context.attempt.body != BodyState::Replayable {
            return Err(GiveUpReason::Body);
        }
        // The remaining time does not decide it, because it is zero both at the bound and after it.
        let starts_at = context.elapsed.checked_add(pending.delay);
        if self.max_elapsed.is_some_and(|max_elapsed| starts_at.is_none_or(|start| start > max_elapsed)) {
            return Err(GiveUpReason::MaxElapsed);
        }
        if let Some(budget) = budget {
            let is_cheap = pending.source == DelaySource::Server || context.is_cheap_refusal();
            let cost = RetryCost::new(context.cause, is_cheap, self.number == 1);
            let withdrawal = budget.withdraw(cost, reading.monotonic).ok_or(GiveUpReason::Budget)?;
            pending.withdrawal = Some(withdrawal.into_owned());
        }
        Ok(pending)
    }
}

/// Narrows the spread above a hint to the remaining time. The hint itself never changes.
fn spread_within(window: Window, remaining: Option<Duration>) -> Window {
    match remaining {
        Some(remaining) if window.earliest <= remaining => {
            let latest = remaining.saturating_sub(TIMER_SLACK).max(window.earliest);
            Window::between(window.earliest, window.latest.min(latest))
        }
        _ => window,
    }
}

/// The time before the end of the session at which a spread ends. A timer wakes a millisecond late and an executor later
/// still, so a wait up to the very end would be in vain.
const TIMER_SLACK: Duration = Duration::from_millis(10);
