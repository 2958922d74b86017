//! The cost of a resend, which depends on its cause.

use crate::RetryCause;

/// The cost of a resend, in thousandths of a token.
///
/// ```
/// use http_retry::{RetryCause, RetryCost};
///
/// assert_eq!(RetryCost::new(RetryCause::Throttled, true, true), RetryCost::QUARTER);
/// assert_eq!(RetryCost::new(RetryCause::Transient, false, true), RetryCost::ONE);
/// assert_eq!(RetryCost::new(RetryCause::Timeout, false, true), RetryCost::TWO);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RetryCost(u32);

impl RetryCost {
    /// A quarter of a token, because the server did no work or named the time itself.
    pub const QUARTER: Self = Self(250);
    /// One token.
    pub const ONE: Self = Self(1_000);
    /// Two tokens, because the server may still be at work on the previous attempt.
    pub const TWO: Self = Self(2_000);

    /// Returns the cost of a resend with this cause. `hinted` means that the server named the time, and `first` that this is
    /// the session's first resend. A later resend pays in full even if nothing was sent before, because a peer that is
    /// down tends to stay down.
    pub fn new(cause: RetryCause, hinted: bool, first: bool) -> Self {
        match cause {
            RetryCause::NeverSent | RetryCause::Unprocessed if first => Self::QUARTER,
            RetryCause::Throttled if hinted => Self::QUARTER,
            RetryCause::Timeout => Self::TWO,
            RetryCause::NeverSent
            | RetryCause::Unprocessed
            | RetryCause::Throttled
            | RetryCause::Transient => Self::ONE,
        }
    }

    /// Creates a cost from thousandths of a token, for a retry loop that sets its own costs.
    pub const fn from_thousandths(thousandths: u32) -> Self {
        Self(thousandths)
    }

    /// Returns the cost in thousandths of a token.
    pub const fn thousandths(self) -> u32 {
        self.0
    }
}
