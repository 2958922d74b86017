//! What a resend costs, by its cause.

use crate::Cause;

/// What a resend costs, in thousandths of a token.
///
/// ```
/// use http_retry::{Cause, Cost};
///
/// assert_eq!(Cost::of(Cause::Throttled, true, true), Cost::QUARTER);
/// assert_eq!(Cost::of(Cause::Transient, false, true), Cost::ONE);
/// assert_eq!(Cost::of(Cause::Timeout, false, true), Cost::TWO);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost(u32);

impl Cost {
    /// A quarter of a token: the server did no work, or named the time itself.
    pub const QUARTER: Self = Self(250);
    /// One token.
    pub const ONE: Self = Self(1_000);
    /// Two tokens: the server may still be at work on the attempt before.
    pub const TWO: Self = Self(2_000);

    /// The cost of a resend for `cause`, `hinted` where the server named the time, and `first` for a
    /// session's first resend. Later ones pay in full even where nothing was sent, since a peer that is down
    /// stays down.
    pub fn of(cause: Cause, hinted: bool, first: bool) -> Self {
        match cause {
            Cause::NeverSent | Cause::Refused if first => Self::QUARTER,
            Cause::Throttled if hinted => Self::QUARTER,
            Cause::Timeout => Self::TWO,
            Cause::NeverSent | Cause::Refused | Cause::Throttled | Cause::Transient => Self::ONE,
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
