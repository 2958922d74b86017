//! What was found, as a response's head carries it.

use http::{Response, StatusCode};

/// What was found in a body. It lies in the extensions of a response whose status is [what it counts
/// as](Self::counts_as), until the client gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The quota is gone, or nobody pays: there is nothing that time heals.
    QuotaGone,
    /// The stream began with a failure, and nothing of it was handed on.
    FailedEarly,
}

impl Mark {
    /// 402 Payment Required, which asks nobody for quiet and is not sent again; and 529, which is what Anthropic says
    /// where it is overloaded before it has said 200.
    fn counts_as(self) -> StatusCode {
        match self {
            Self::QuotaGone => StatusCode::PAYMENT_REQUIRED,
            Self::FailedEarly => StatusCode::from_u16(529).expect("a status has three digits"),
        }
    }

    /// What the server said.
    fn stands_for(self) -> StatusCode {
        match self {
            Self::QuotaGone => StatusCode::TOO_MANY_REQUESTS,
            Self::FailedEarly => StatusCode::OK,
        }
    }

    /// Marks a response.
    pub(super) fn set<B>(self, response: &mut Response<B>) {
        response.extensions_mut().insert(self);
        *response.status_mut() = self.counts_as();
    }

    /// Gives a response that is the client's its status back.
    pub(crate) fn clear<B>(response: &mut Response<B>) {
        // Not worth a search in a response that cannot have one, which is almost any.
        if matches!(response.status().as_u16(), 402 | 529)
            && let Some(mark) = response.extensions_mut().remove::<Self>()
        {
            *response.status_mut() = mark.stands_for();
        }
    }
}
