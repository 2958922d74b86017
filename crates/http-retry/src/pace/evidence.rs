//! The evidence of a response head: a refusal and whom it concerns, and the quotas that the server announces.

use std::time::{Duration, SystemTime};

use http::StatusCode;

#[cfg(feature = "grpc")]
use crate::GrpcCode;
pub(super) use crate::hint::announced::{Announced, Means, Unit};
use crate::hint::{self, announced};
use crate::{Outcome, ResponseHead};

/// The owner of the condition that a refusal reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// The callers with this key reached a limit.
    Key,
    /// The server is unwell for all callers.
    Server,
    /// The refusal is meant for this request alone.
    Request,
}

/// A response that did not serve its request because of a limit or of the server's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The time that the server asks for, if it is readable and not zero.
    pub(super) hint: Option<Duration>,
    /// `true` if the hint is in milliseconds, or has fractions of a second.
    pub(super) is_precise: bool,
    pub(super) scope: Scope,
}

/// The statements of one response head that matter for the pace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Evidence {
    /// The refusal. Without one the request counts as served.
    pub(super) refusal: Option<Refusal>,
    /// The quotas by name. The list has no allocation if the head announces nothing.
    pub(super) announced: Vec<Announced>,
}

impl Evidence {
    /// Reads a head. `wall` is the current time, for dates.
    pub(super) fn read(head: &ResponseHead<'_>, wall: SystemTime) -> Self {
        let refusal = scope(head).map(|scope| {
            let (hint, is_precise) = hint_of(head, wall);
            Refusal { hint, is_precise, scope }
        });
        Self { refusal, announced: announced::read(head, wall) }
    }
}

/// Returns whether the head serves its request and has no header about limits. The check is cheap; a `false` says only that
/// the head must be [read](Evidence::read).
pub(super) fn is_plainly_served(head: &ResponseHead<'_>) -> bool {
    let status = head.status().as_u16();
    let is_plain = |name: &str| !announced::is_of_family(name) && !is_grpc_word(name);
    let may_refuse = matches!(status, 400 | 403 | 413 | 423 | 429 | 449 | 503 | 509 | 529);
    !may_refuse && head.headers().keys().all(|name| is_plain(name.as_str()))
}

/// Returns whether gRPC can refuse a call by the header.
fn is_grpc_word(name: &str) -> bool {
    name == hint::PUSHBACK || (cfg!(feature = "grpc") && name == "grpc-status")
}

fn hint_of(head: &ResponseHead<'_>, wall: SystemTime) -> (Option<Duration>, bool) {
    let reading = hint::read(head, wall);
    let delay = reading.and_then(|reading| reading.hint.delay()).filter(|delay| !delay.is_zero());
    (delay, delay.is_some() && reading.is_some_and(|reading| reading.is_precise))
}

/// Returns the scope of a refusal, or `None` if the request was served, or failed for a reason that is no limit.
fn scope(head: &ResponseHead<'_>) -> Option<Scope> {
    // A pushback concerns one call (gRPC A6), whatever the status of that call.
    if head.headers().contains_key(hint::PUSHBACK) && !Outcome::from(*head).is_success() {
        return Some(Scope::Request);
    }
    match head.status().as_u16() {
        503 if announced::is_any_gone(head) => Some(Scope::Key),
        503 | 529 => Some(Scope::Server),
        _ if head.is_rate_limit() => Some(Scope::Key),
        _ if head.status() == StatusCode::OK => grpc_scope(head),
        _ => None,
    }
}

/// Returns the scope of a gRPC call that the head ends. `RESOURCE_EXHAUSTED` without a time is also the status of a message
/// that is too large, so it says nothing about the key.
#[cfg(feature = "grpc")]
fn grpc_scope(head: &ResponseHead<'_>) -> Option<Scope> {
    match GrpcCode::from_head(head)? {
        GrpcCode::ResourceExhausted if hint::has_retry_info(head) => Some(Scope::Key),
        GrpcCode::ResourceExhausted | GrpcCode::Unavailable => Some(Scope::Server),
        _ => None,
    }
}

#[cfg(not(feature = "grpc"))]
fn grpc_scope(_: &ResponseHead<'_>) -> Option<Scope> {
    None
}

#[cfg(test)]
mod tests;
