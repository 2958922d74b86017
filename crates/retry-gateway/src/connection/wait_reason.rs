//! The reasons for which a request waits, each in one word.

/// The reason for which a request waits before it is at an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum WaitReason {
    /// The pace of its upstream or endpoint: a limit that it shares with others.
    Pace,
    /// The delay before its own resend: the backoff, or the time that its refusal named.
    Backoff,
    /// A connection to the endpoint, or a stream on one.
    Connection,
    /// The first endpoint that takes a connection, because none does.
    Endpoint,
    /// The part of its body that names the model, which its client has not sent yet.
    Body,
    /// A place among the `max_requests` in flight.
    Limit,
}

impl WaitReason {
    pub(crate) const ALL: [Self; 6] =
        [Self::Pace, Self::Backoff, Self::Connection, Self::Endpoint, Self::Body, Self::Limit];

    /// Returns the word for it in `/status` and in metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pace => "pace",
            Self::Backoff => "backoff",
            Self::Connection => "connection",
            Self::Endpoint => "endpoint",
            Self::Body => "body",
            Self::Limit => "limit",
        }
    }
}
