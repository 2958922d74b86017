//! What a response says to all who call the same server.

use std::time::{Duration, SystemTime};

#[cfg(feature = "grpc")]
use crate::GrpcCode;
use crate::hint::{self, Refill};
use crate::{ResponseHead, RetryHint};

/// What a response says to all callers of a key.
#[derive(Debug)]
pub(super) struct News {
    pub(super) asks: Asks,
    /// How full a quota is that fills all the time.
    pub(super) refill: Option<Refill>,
}

/// What the server wants of the callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// Nothing in particular.
    Nothing,
    /// It served this one, but nothing is left for the next until then.
    Rest(Duration),
    /// It did not serve this one, because there were too many; nobody should come before that, if it says when.
    Quiet(Option<Duration>),
}

impl News {
    pub(super) fn read(head: &ResponseHead<'_>, wall: SystemTime) -> Self {
        Self { asks: asks(head, wall), refill: hint::refill(head) }
    }
}

fn asks(head: &ResponseHead<'_>, wall: SystemTime) -> Asks {
    let hint = match RetryHint::read_with_header(head, wall) {
        // The one hint that is meant for this caller alone.
        Some((_, hint::PUSHBACK)) | None => None,
        Some((hint, _)) => hint.delay().filter(|delay| !delay.is_zero()),
    };
    match status(head) {
        429 | 529 => Asks::Quiet(hint),
        403 if hint::is_quota_gone(head) => Asks::Quiet(hint),
        // A server that is broken says no time; one that is busy does.
        503 if hint.is_some() => Asks::Quiet(hint),
        _ => hint::window(head, wall).map_or(Asks::Nothing, Asks::Rest),
    }
}

/// The status of a response. One that has ended a call of gRPC's for want of something, or of somebody, counts as a 503: its
/// 200 says only that the call came to gRPC. Without a time `RESOURCE_EXHAUSTED` says no more, because it is also what
/// becomes of a message that is too large.
fn status(head: &ResponseHead<'_>) -> u16 {
    #[cfg(feature = "grpc")]
    if head.status() == http::StatusCode::OK
        && matches!(GrpcCode::from_head(head), Some(GrpcCode::ResourceExhausted | GrpcCode::Unavailable))
    {
        return 503;
    }
    head.status().as_u16()
}
