//! The keywords of the configuration file, and the search for the one that an operator probably meant.

use tower_http_retry::grpc::GrpcCode;
use tower_http_retry::policy::Jitter;

use super::profile::Profile;
use super::retry::{HostSelection, Nested, OnExceed};
use super::upstream::Protocol;

/// A value of the file that is one of a few keywords.
pub(super) trait Keyword: Copy + 'static {
    /// All keywords and their values, the default first.
    const KEYWORDS: &'static [(&'static str, Self)];
}

/// The kind of backoff, which its jitter completes to a policy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum BackOffKind {
    ExponentialBackoff,
    Decorrelated,
}

/// A keyword of `retry_on`, which also takes statuses.
#[derive(Clone, Copy)]
pub(super) enum RetryTrigger {
    ConnectFailure,
    RefusedStream,
    Reset,
    PerTryTimeout,
    GatewayError,
    ServerError,
    RetriableClientError,
    RateLimited,
    RetriableStatusCodes,
    RetriableHeaders,
    /// A gRPC call ended with this code.
    Grpc(GrpcCode),
}

impl Keyword for Protocol {
    const KEYWORDS: &'static [(&'static str, Self)] = &[("http1", Self::Http1), ("http2", Self::Http2)];
}

impl Keyword for Profile {
    const KEYWORDS: &'static [(&'static str, Self)] =
        &[("default", Self::Default), ("llm", Self::Llm), ("grpc", Self::Grpc)];
}

impl Keyword for HostSelection {
    const KEYWORDS: &'static [(&'static str, Self)] =
        &[("avoid-previous", Self::AvoidPrevious), ("any", Self::Any)];
}

impl Keyword for Nested {
    const KEYWORDS: &'static [(&'static str, Self)] = &[("limit", Self::Limit), ("ignore", Self::Ignore)];
}

impl Keyword for OnExceed {
    const KEYWORDS: &'static [(&'static str, Self)] = &[("return", Self::Return)];
}

impl Keyword for BackOffKind {
    const KEYWORDS: &'static [(&'static str, Self)] =
        &[("exponential", Self::ExponentialBackoff), ("decorrelated", Self::Decorrelated)];
}

impl Keyword for Jitter {
    const KEYWORDS: &'static [(&'static str, Self)] = &[
        ("full", Self::Full),
        ("equal", Self::Equal),
        // gRPC's jitter: a fifth in both directions (proposal A6).
        ("proportional", Self::Proportional(0.2)),
        ("none", Self::None),
    ];
}

impl Keyword for RetryTrigger {
    const KEYWORDS: &'static [(&'static str, Self)] = &[
        ("connect-failure", Self::ConnectFailure),
        ("refused-stream", Self::RefusedStream),
        ("reset", Self::Reset),
        ("per-try-timeout", Self::PerTryTimeout),
        ("gateway-error", Self::GatewayError),
        ("5xx", Self::ServerError),
        ("retriable-4xx", Self::RetriableClientError),
        ("rate-limited", Self::RateLimited),
        ("retriable-status-codes", Self::RetriableStatusCodes),
        ("retriable-headers", Self::RetriableHeaders),
        ("cancelled", Self::Grpc(GrpcCode::Cancelled)),
        ("deadline-exceeded", Self::Grpc(GrpcCode::DeadlineExceeded)),
        ("internal", Self::Grpc(GrpcCode::Internal)),
        ("resource-exhausted", Self::Grpc(GrpcCode::ResourceExhausted)),
        ("unavailable", Self::Grpc(GrpcCode::Unavailable)),
    ];
}

/// Keywords of Envoy's `retry_on` that the gateway does not support. An operator who brings a file of Envoy's
/// should read that, and not a hint at a typing error.
pub(super) const UNSUPPORTED_TRIGGERS: &[&str] =
    &["envoy-ratelimited", "reset-before-request", "http3-post-connect-failure"];

/// Returns all keywords of a kind, for a message.
pub(super) fn list<W: Keyword>() -> String {
    let words: Vec<_> = W::KEYWORDS.iter().map(|(word, _)| *word).collect();
    words.join(", ")
}

/// Returns the word that is so near to `given` that the operator probably meant it.
pub(super) fn nearest<'w>(given: &str, words: impl IntoIterator<Item = &'w str>) -> Option<String> {
    // The comparison takes time with the product of the lengths, and no keyword is that long.
    const MAX_WORD_BYTES: usize = 64;
    if given.len() > MAX_WORD_BYTES {
        return None;
    }
    let normalize = |word: &str| word.to_ascii_lowercase().replace('_', "-");
    let given = normalize(given);
    let short = words.into_iter().filter(|word| word.len() <= MAX_WORD_BYTES);
    let candidates = short.filter_map(|name| {
        let word = normalize(name);
        let distance = strsim::damerau_levenshtein(&given, &word);
        let is_part =
            given.len() >= 3 && word.len() >= 3 && (word.starts_with(&given) || given.starts_with(&word));
        (is_part || distance <= (word.len() / 3).max(1)).then_some((distance, name))
    });
    candidates.min_by_key(|(distance, _)| *distance).map(|(_, word)| word.to_owned())
}
