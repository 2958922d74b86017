//! The meaning of an inspected body, carried in the response's head.

use std::time::Duration;

use http::{Response, StatusCode};
use http_retry::BodyHint;

/// The meaning of an inspected body. It lies in the extensions of a response that has the status
/// [`treated_as`](Self::treated_as) until the client gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodySignal {
    /// The account's quota is used up or its bill is unpaid. No wait changes that.
    QuotaGone,
    /// The request is larger than its limit. No wait changes that, and it says nothing about other requests.
    TooLarge,
    /// The answer is the refusal of a limit, regardless of its status.
    Limited,
    /// The event stream or the answer starts with a failure, and the client has got nothing of it.
    FailedEarly,
}

/// The facts in a body that the next attempt depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) signal: Option<BodySignal>,
    /// The wait that the body names. It counts where no header names one.
    pub(super) wait: Option<Duration>,
}

/// The status that the server sent.
#[derive(Clone, Copy, Debug)]
struct OriginalStatus(StatusCode);

impl BodySignal {
    /// Returns the status that policy, pace, budget and log see. It is 402 Payment Required for a quota and for a request that
    /// is too large, which stops no pace and is not retried, 429 for a limit, and 529 for a failure, which Anthropic sends when
    /// it is overloaded before the stream.
    fn treated_as(self) -> StatusCode {
        match self {
            Self::QuotaGone | Self::TooLarge => StatusCode::PAYMENT_REQUIRED,
            Self::Limited => StatusCode::TOO_MANY_REQUESTS,
            Self::FailedEarly => StatusCode::from_u16(529).expect("a status has three digits"),
        }
    }

    /// Returns whether no further attempt makes sense.
    pub(crate) fn is_final(self) -> bool {
        matches!(self, Self::QuotaGone | Self::TooLarge)
    }

    /// Returns whether the answer, whose status may be a success, is worth another attempt.
    pub(crate) fn is_failure(self) -> bool {
        matches!(self, Self::Limited | Self::FailedEarly)
    }

    /// Restores the status that the server sent, for the client.
    pub(crate) fn clear<B>(response: &mut Response<B>) {
        // Almost all responses have another status, and for them a search of the extensions would be wasted.
        if matches!(response.status().as_u16(), 402 | 429 | 529)
            && let Some(OriginalStatus(status)) = response.extensions_mut().remove()
        {
            response.extensions_mut().remove::<Self>();
            *response.status_mut() = status;
        }
    }
}

impl Finding {
    /// Puts the finding into a response and changes its status.
    pub(super) fn set<B>(self, response: &mut Response<B>) {
        if let Some(wait) = self.wait {
            response.extensions_mut().insert(BodyHint(wait));
        }
        if let Some(signal) = self.signal {
            response.extensions_mut().insert(signal);
            let original = OriginalStatus(response.status());
            response.extensions_mut().insert(original);
            *response.status_mut() = signal.treated_as();
        }
    }
}
