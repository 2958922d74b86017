//! When a resend may go out, and whether: the rules that hold for every policy.

use std::time::Duration;

use super::{ClockReading, Session};
use crate::{
    BodyState, Budget, GiveUpReason, Plan, Policy, RetryCause, RetryContext, RetryCost, RetryHint, Window,
    Withdrawal, hint,
};

/// A resend that was admitted and has not gone out.
#[derive(Debug)]
pub(super) struct Next {
    pub(super) delay: Duration,
    pub(super) kind: Kind,
    /// How many of the resends are retries, with this one.
    pub(super) retries: u32,
    pub(super) withdrawal: Option<Withdrawal<'static>>,
}

/// Who chose the time of a resend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The protocol: the first one that was refused goes out at once, uncounted (gRPC A6, "transparent").
    AtOnce,
    /// The server.
    Hinted,
    /// The policy.
    Scheduled,
}

/// Whether it is as if the attempt before had never been made (gRPC A6).
pub(super) fn is_transparent(kind: Kind, cause: RetryCause) -> bool {
    kind == Kind::AtOnce || cause == RetryCause::NeverSent
}

impl Session {
    /// When: what the policy plans, never before what the server asks.
    pub(super) fn schedule<P: Policy + ?Sized>(
        &self,
        policy: &P,
        context: &RetryContext<'_>,
    ) -> Result<(Window, Kind), GiveUpReason> {
        if context.hint == Some(RetryHint::Never) {
            return Err(GiveUpReason::ServerSaidNo);
        }
        let window = match policy.schedule(context) {
            Plan::Resend(window) => window,
            Plan::GiveUp(reason) => return Err(reason),
        };
        match context.hint {
            // "Now" leaves the time to the policy, but for gRPC's pushback, which means exactly that (A6).
            Some(RetryHint::After(hint))
                if !hint.is_zero() || context.hint_header == Some(hint::PUSHBACK) =>
            {
                let window = window.opening_at(hint);
                match self.is_paced {
                    true => Ok((Window::exactly(window.earliest), Kind::Hinted)),
                    false => Ok((spread_within(window, context.remaining), Kind::Hinted)),
                }
            }
            _ if context.cause == RetryCause::Unprocessed && !self.sent_at_once() => {
                Ok((Window::exactly(Duration::ZERO), Kind::AtOnce))
            }
            _ => Ok((window, Kind::Scheduled)),
        }
    }

    /// Whether, the cheapest check first, so that nothing is spent on a resend that cannot happen.
    pub(super) fn admit(
        &self,
        mut next: Next,
        context: &RetryContext<'_>,
        budget: Option<&Budget>,
        moment: ClockReading,
    ) -> Result<Next, GiveUpReason> {
        let has_attempts_left = match next.kind {
            // Uncounted, but one attempt means one.
            Kind::AtOnce => self.max_attempts > 1,
            Kind::Hinted | Kind::Scheduled => context.attempts_used < self.max_attempts,
        };
        if !has_attempts_left {
            return Err(GiveUpReason::MaxAttempts);
        }
        if context.attempt.body != BodyState::Replayable {
            return Err(GiveUpReason::Body);
        }
        // Not by what remains, which is zero at the deadline and ever after.
        let starts_at = context.elapsed.checked_add(next.delay);
        if self.max_elapsed.is_some_and(|deadline| starts_at.is_none_or(|start| start > deadline)) {
            return Err(GiveUpReason::MaxElapsed);
        }
        if let Some(budget) = budget {
            let cost = RetryCost::new(context.cause, next.kind == Kind::Hinted, self.number == 1);
            let withdrawal = budget.withdraw(cost, moment.monotonic).ok_or(GiveUpReason::Budget)?;
            next.withdrawal = Some(withdrawal.into_owned());
        }
        Ok(next)
    }
}

/// The spread above a hint is ours to narrow where the deadline comes first; the hint is not.
fn spread_within(window: Window, remaining: Option<Duration>) -> Window {
    match remaining {
        Some(remaining) if window.earliest <= remaining => {
            let latest = remaining.saturating_sub(SLACK).max(window.earliest);
            Window::between(window.earliest, window.latest.min(latest))
        }
        _ => window,
    }
}

/// A timer wakes late by a millisecond, and an executor by more. A wait that ends with the deadline would be
/// in vain.
const SLACK: Duration = Duration::from_millis(10);
