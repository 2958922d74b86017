//! The reason for which a request leaves an upstream for the next one of its route.

use tower_http_retry::RetryCause;

/// The reason for which a request leaves an upstream for the next one of its route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FallbackReason {
    /// The outcome at this upstream is worth another attempt.
    RetryCause(RetryCause),
    /// The upstream's pace would hold the request back for too long.
    Paced,
    /// The upstream's response says that a quota is used up.
    QuotaGone,
    /// The upstream has as many requests in flight as its `max_requests` allows.
    Overflow,
}

impl FallbackReason {
    /// The word for it in metrics, in the access log and in `x-retry-reason`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::RetryCause(cause) => cause.as_str(),
            Self::Paced => "paced",
            Self::QuotaGone => "quota-gone",
            Self::Overflow => "overflow",
        }
    }
}
