//! The meaning of an inspected body, carried in the response's head.

use http::{Response, StatusCode};

/// The meaning of an inspected body. It lies in the extensions of a response that has the status
/// [`treated_as`](Self::treated_as) until the client gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodySignal {
    /// The account's quota is used up or its bill is unpaid. No wait changes that.
    QuotaGone,
    /// The event stream starts with a failure, and the client has got nothing of it.
    FailedEarly,
}

impl BodySignal {
    /// Returns the status that policy, pace, budget and log see. It is 402 Payment Required for a quota, which stops no
    /// pace and is not retried, and 529 for a failure, which Anthropic sends when it is overloaded before the stream.
    fn treated_as(self) -> StatusCode {
        match self {
            Self::QuotaGone => StatusCode::PAYMENT_REQUIRED,
            Self::FailedEarly => StatusCode::from_u16(529).expect("a status has three digits"),
        }
    }

    /// Returns the status that the server sent.
    fn original_status(self) -> StatusCode {
        match self {
            Self::QuotaGone => StatusCode::TOO_MANY_REQUESTS,
            Self::FailedEarly => StatusCode::OK,
        }
    }

    /// Puts the signal into a response and changes its status.
    pub(super) fn set<B>(self, response: &mut Response<B>) {
        response.extensions_mut().insert(self);
        *response.status_mut() = self.treated_as();
    }

    /// Restores the status that the server sent, for the client.
    pub(crate) fn clear<B>(response: &mut Response<B>) {
        // Almost all responses have another status, and for them a search of the extensions would be wasted.
        if matches!(response.status().as_u16(), 402 | 529)
            && let Some(signal) = response.extensions_mut().remove::<Self>()
        {
            *response.status_mut() = signal.original_status();
        }
    }
}
