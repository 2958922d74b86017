//! What a resend costs, by its cause.

use crate::RetryCause;

/// What a resend costs, in thousandths of a token.
///
/// ```
/// use http_retry::{RetryCause, RetryCost};
///
/// assert_eq!(RetryCost::of(RetryCause::Throttled, true, true), RetryCost::QUARTER);
/// assert_eq!(RetryCost::of(RetryCause::Transient, false, true), RetryCost::ONE);
/// assert_eq!(RetryCost::of(RetryCause::Timeout, false, true), RetryCost::TWO);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RetryCost(u32);

impl RetryCost {
    /// A quarter of a token: the server did no work, or named the time itself.
    pub const QUARTER: Self = Self(250);
    /// One token.
    pub const ONE: Self = Self(1_000);
    /// Two tokens: the server may still be at work on the attempt before.
    pub const TWO: Self = Self(2_000);

    /// The cost of a resend for `cause`, `hinted` where the server named the time, and `first` for a
    /// session's first resend. Later ones pay in full even where nothing was sent, since a peer that is down
    /// stays down.
    pub fn of(cause: RetryCause, hinted: bool, first: bool) -> Self {
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

    /// A cost of your own, for loops of your own.
    pub const fn from_thousandths(thousandths: u32) -> Self {
        Self(thousandths)
    }

    /// The cost in thousandths of a token.
    pub const fn thousandths(self) -> u32 {
        self.0
    }
}
