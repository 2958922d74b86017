//! The names of headers that say when a quota resets.

use super::value::Numbers;

/// The name of a header that says when a quota resets, with the place of the word that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ResetName<'a> {
    name: &'a str,
    before: &'a str,
    after: &'a str,
    is_retry_after: bool,
}

impl<'a> ResetName<'a> {
    /// Returns `None` for a name that says nothing of a reset. A name must have a word for a limit, or end in the words
    /// `retry-after` behind a prefix, as in `beta-retry-after`.
    pub(super) fn parse(name: &'a str) -> Option<Self> {
        for word in RETRY_AFTER {
            if let Some((before, after)) = name.split_once(word) {
                let is_prefixed = before.len() > 1 && words(after).all(is_of_time);
                let is_name = is_of_limit(name) || (is_prefixed && !KNOWN.contains(&name));
                return is_name.then_some(Self { name, before, after, is_retry_after: true });
            }
        }
        let (before, after) = name.rsplit_once("reset").or_else(|| next(name))?;
        is_of_limit(name).then_some(Self { name, before, after, is_retry_after: false })
    }

    pub(super) fn as_str(&self) -> &'a str {
        self.name
    }

    /// Returns the name by which hints report the header. It is one of the list of [`RetryHint::read`](crate::RetryHint::read).
    pub(super) fn label(&self) -> &'static str {
        let is_anthropic = self.name.starts_with("anthropic-") && self.after.is_empty();
        match LABELS.iter().find(|label| **label == self.name) {
            Some(label) => label,
            None if is_anthropic => ANTHROPIC,
            None => OTHERS,
        }
    }

    /// Returns whether the header belongs to a quota, whose rest another header may have.
    pub(super) fn is_of_quota(&self) -> bool {
        is_of_limit(self.name)
    }

    /// Returns whether the name says nothing of the kind of its quota: `x-ratelimit-reset`, but not
    /// `x-ratelimit-reset-tokens` or `x-ratelimit-requests-reset`.
    pub(super) fn is_without_kind(&self) -> bool {
        let before = self.before.trim_end_matches(['-', '_']);
        LIMITS.iter().any(|limit| before.ends_with(limit)) && words(self.after).all(is_of_time)
    }

    /// Returns the names in which a word stands in the place of `reset`: first with all that follows it, and then without the
    /// words that say only how the time is written.
    pub(super) fn siblings(&self, word: &str) -> impl Iterator<Item = String> {
        let is_written = !self.after.is_empty() && words(self.after).all(is_of_time);
        let Self { before, after, .. } = *self;
        let bare = is_written.then(|| format!("{before}{word}"));
        [Some(format!("{before}{word}{after}")), bare].into_iter().flatten()
    }

    /// Returns the meaning of a number in the header.
    pub(super) fn numbers(&self) -> Numbers {
        let mut after = words(self.after);
        let is_delay = self.is_retry_after || after.any(|word| matches!(word, "after" | "in"));
        match (is_delay, self.is_in_milliseconds()) {
            (true, true) => Numbers::Milliseconds,
            (true, false) => Numbers::Seconds,
            (false, true) => Numbers::MillisecondsOrEpoch,
            (false, false) => Numbers::SecondsOrEpoch,
        }
    }

    /// Returns whether the unit of a number is the millisecond. The `ms` of the prefix `x-ms` is no unit: it is Microsoft's.
    pub(super) fn is_in_milliseconds(&self) -> bool {
        let is_word = |word: &str| matches!(word, "ms" | "msec" | "millis" | "milliseconds");
        let name = self.name.strip_prefix("x-ms-").unwrap_or(self.name);
        words(name).any(is_word) || self.name == KUCOIN
    }
}

/// Returns whether a name has a word for a limit.
pub(super) fn is_of_limit(name: &str) -> bool {
    LIMITS.iter().any(|limit| name.contains(limit))
}

/// Splits a name at `next` if that is its last word, as in Akamai's `x-ratelimit-next`.
fn next(name: &str) -> Option<(&str, &str)> {
    let before = name.strip_suffix("next")?;
    before.ends_with(['-', '_']).then_some((before, ""))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(['-', '_']).filter(|word| !word.is_empty())
}

/// Returns whether a word behind `reset` says only how the time is written.
fn is_of_time(word: &str) -> bool {
    const WORDS: [&str; 18] = [
        "after",
        "at",
        "date",
        "datetime",
        "epoch",
        "in",
        "milliseconds",
        "millis",
        "ms",
        "msec",
        "s",
        "sec",
        "seconds",
        "time",
        "timestamp",
        "unix",
        "utc",
        "on",
    ];
    WORDS.contains(&word)
}

const RETRY_AFTER: [&str; 2] = ["retry-after", "retry_after"];
/// The words for a limit. The first covers all spellings of a rate limit.
const LIMITS: [&str; 3] = ["limit", "quota", "throttl"];
/// KuCoin's countdown counts milliseconds (its page on rate limits).
const KUCOIN: &str = "gw-ratelimit-reset";
/// Headers that have a rank of their own.
const KNOWN: [&str; 2] = ["x-ms-retry-after-ms", "x-amz-retry-after"];

/// The label of Anthropic's headers.
pub(in crate::hint) const ANTHROPIC: &str = "anthropic-ratelimit-*-reset";
/// The label of the headers of all other families.
pub(in crate::hint) const OTHERS: &str = "*-ratelimit-*-reset";
/// The headers that are reported by their own names.
pub(in crate::hint) const LABELS: [&str; 6] = [
    "ratelimit-reset",
    "x-ratelimit-reset",
    "x-rate-limit-reset",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
    "x-ratelimit-retry-after",
];
