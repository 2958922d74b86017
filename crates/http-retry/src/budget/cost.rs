//! The cost of a resend, which depends on its cause.

use crate::RetryCause;

/// The cost of a resend, in thousandths of a token.
///
/// ```
/// use http_retry::{RetryCause, RetryCost};
///
/// assert_eq!(RetryCost::new(RetryCause::NeverSent, false, true), RetryCost::FREE);
/// assert_eq!(RetryCost::new(RetryCause::Throttled, true, true), RetryCost::QUARTER);
/// assert_eq!(RetryCost::new(RetryCause::Transient, false, true), RetryCost::ONE);
/// assert_eq!(RetryCost::new(RetryCause::Timeout, false, true), RetryCost::TWO);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RetryCost(u32);

impl RetryCost {
    /// No token, because the server got nothing. An empty budget pays it too.
    pub const FREE: Self = Self(0);
    /// A quarter of a token, because the server did no work or named the time itself.
    pub const QUARTER: Self = Self(250);
    /// One token.
    pub const ONE: Self = Self(1_000);
    /// Two tokens, because the server may still be at work on the previous attempt.
    pub const TWO: Self = Self(2_000);

    /// Returns the cost of a resend with this cause. `cheap` means that the server named the time, or that it refused the
    /// request without any work on it, as with a 429, after which the backoff is long. `first` means that this is the session's
    /// first resend. An attempt that was never sent costs nothing, so that an outage leaves the tokens to the requests that
    /// come after it; the limit of attempts bounds such resends. A later resend of what the server did not process pays in
    /// full, because the server refused it twice.
    pub fn new(cause: RetryCause, cheap: bool, first: bool) -> Self {
        match cause {
            RetryCause::NeverSent => Self::FREE,
            RetryCause::Unprocessed if first => Self::QUARTER,
            RetryCause::Throttled if cheap => Self::QUARTER,
            RetryCause::Timeout => Self::TWO,
            RetryCause::Unprocessed | RetryCause::Throttled | RetryCause::Transient => Self::ONE,
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
