//! The policy that sends everything once.

use crate::{Attempt, Plan, Policy, Reason, RequestHead, Setback, Verdict};

/// Sends everything once. Requests pass straight through, unbuffered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Never;

impl Policy for Never {
    fn keep(&self, _: &RequestHead<'_>) -> bool {
        false
    }

    fn classify(&self, _: &Attempt<'_>) -> Verdict {
        Verdict::Accept
    }

    fn schedule(&self, _: &Setback<'_>) -> Plan {
        Plan::GiveUp(Reason::Policy)
    }
}
