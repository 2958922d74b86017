//! The ways in which the body of a response ends.

/// The end of a response's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResponseEnd {
    /// The client's connection got the whole body.
    Whole,
    /// The connection to the upstream failed within the body.
    CutByUpstream,
    /// The client left before the end of the body, or the gateway stopped.
    CutByClient,
    /// A timeout passed within the body.
    TimedOut,
}

impl ResponseEnd {
    /// The ends of bodies that are not whole.
    pub(crate) const CUTS: [Self; 3] = [Self::CutByUpstream, Self::CutByClient, Self::TimedOut];

    /// The word for it in metrics, in the access log and in spans.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::CutByUpstream => "cut-by-upstream",
            Self::CutByClient => "cut-by-client",
            Self::TimedOut => "timed-out",
        }
    }
}

/// The end of a response's body, and the number of its bytes that the client's connection got.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResponseSummary {
    pub(crate) end: ResponseEnd,
    pub(crate) bytes: u64,
}
