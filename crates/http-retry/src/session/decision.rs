//! The answer of a session to an outcome.

use std::time::Duration;

use crate::GiveUpReason;
#[cfg(doc)]
use crate::Session;

/// The answer of a [`Session`] to an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a session only decides; the caller waits and sends"]
pub enum Decision {
    /// The outcome is final, and goes to the caller.
    Accept,
    /// The outcome is final for this reason, and goes to the caller. It was worth a retry, or would have been for an
    /// idempotent request.
    GiveUp(GiveUpReason),
    /// The next attempt starts after this delay.
    Wait(Duration),
}

impl Decision {
    /// Returns the reason for which the session gave up, if it did.
    pub fn reason(self) -> Option<GiveUpReason> {
        match self {
            Self::GiveUp(reason) => Some(reason),
            Self::Accept | Self::Wait(_) => None,
        }
    }
}
