//! The words of the file, and which of them is nearest to what somebody wrote.

use tower_http_retry::policy::Jitter;

use super::profile::Profile;
use super::retry::{HostSelection, Nested, OnExceed};
use super::upstream::Protocol;

/// A value that is one of a few words.
pub(super) trait Word: Copy + 'static {
    /// All of them, the default first.
    const WORDS: &'static [(&'static str, Self)];
}

/// How waits grow, before it is known how they are spread.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Growth {
    ExponentialBackoff,
    Decorrelated,
}

/// A word of `retry_on` that is no status.
#[derive(Clone, Copy)]
pub(super) enum Trigger {
    ConnectFailure,
    RefusedStream,
    Reset,
    PerTryTimeout,
    GatewayError,
    ServerError,
    RetriableClientError,
    RetriableStatusCodes,
}

impl Word for Protocol {
    const WORDS: &'static [(&'static str, Self)] = &[("http1", Self::Http1), ("http2", Self::Http2)];
}

impl Word for Profile {
    const WORDS: &'static [(&'static str, Self)] = &[("default", Self::Default), ("llm", Self::Llm)];
}

impl Word for HostSelection {
    const WORDS: &'static [(&'static str, Self)] =
        &[("avoid-previous", Self::AvoidPrevious), ("any", Self::Any)];
}

impl Word for Nested {
    const WORDS: &'static [(&'static str, Self)] = &[("damp", Self::Damp), ("ignore", Self::Ignore)];
}

impl Word for OnExceed {
    const WORDS: &'static [(&'static str, Self)] = &[("return", Self::Return)];
}

impl Word for Growth {
    const WORDS: &'static [(&'static str, Self)] =
        &[("exponential", Self::ExponentialBackoff), ("decorrelated", Self::Decorrelated)];
}

impl Word for Jitter {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("full", Self::Full),
        ("equal", Self::Equal),
        // A fifth each way, as gRPC's (proposal A6).
        ("proportional", Self::Proportional(0.2)),
        ("none", Self::None),
    ];
}

impl Word for Trigger {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("connect-failure", Self::ConnectFailure),
        ("refused-stream", Self::RefusedStream),
        ("reset", Self::Reset),
        ("per-try-timeout", Self::PerTryTimeout),
        ("gateway-error", Self::GatewayError),
        ("5xx", Self::ServerError),
        ("retriable-4xx", Self::RetriableClientError),
        ("retriable-status-codes", Self::RetriableStatusCodes),
    ];
}

/// Words of Envoy's `retry_on` that mean nothing here, so that who brings a file along is not told of a typo.
pub(super) const NOT_HERE: &[&str] = &[
    "retriable-headers",
    "envoy-ratelimited",
    "reset-before-request",
    "http3-post-connect-failure",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
];

/// All words of a kind, for people.
pub(super) fn list<W: Word>() -> String {
    let words: Vec<_> = W::WORDS.iter().map(|(word, _)| *word).collect();
    words.join(", ")
}

/// The word that is so near to `given` that it was probably meant.
pub(super) fn nearest<'w>(given: &str, words: impl IntoIterator<Item = &'w str>) -> Option<String> {
    // Comparing takes time with the product of the lengths, and nobody mistypes a word that long.
    const LONGEST: usize = 64;
    if given.len() > LONGEST {
        return None;
    }
    let plain = |word: &str| word.to_ascii_lowercase().replace('_', "-");
    let given = plain(given);
    let short = words.into_iter().filter(|word| word.len() <= LONGEST);
    let near = short.filter_map(|name| {
        let word = plain(name);
        let distance = strsim::damerau_levenshtein(&given, &word);
        let is_part =
            given.len() >= 3 && word.len() >= 3 && (word.starts_with(&given) || given.starts_with(&word));
        (is_part || distance <= (word.len() / 3).max(1)).then_some((distance, name))
    });
    near.min_by_key(|(distance, _)| *distance).map(|(_, word)| word.to_owned())
}
