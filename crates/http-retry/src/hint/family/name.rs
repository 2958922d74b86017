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
    /// Returns `None` for a name that says nothing of a reset. A name must have a word for a limit, unless its other words
    /// can only be about the next attempt: `beta-retry-after`, `x-weave-backoff`, `x-codex-primary-reset-after-seconds`.
    pub(super) fn parse(name: &'a str) -> Option<Self> {
        if !has_stem(name) {
            return None;
        }
        let is_of_limit = is_of_limit(name);
        for word in WAITS {
            if let Some((before, after)) = name.split_once(word) {
                let is_alone = *word != "wait" && words(after).all(is_of_time);
                let is_name = (is_of_limit || is_alone) && !KNOWN.contains(&name);
                return is_name.then_some(Self { name, before, after, is_retry_after: true });
            }
        }
        if is_of_limit && let Some((before, after)) = time_remaining(name) {
            return Some(Self { name, before, after, is_retry_after: true });
        }
        let (before, after) = name.rsplit_once("reset").or_else(|| next(name)).or_else(|| expiry(name))?;
        let is_delay = words(after).next().is_some_and(|word| matches!(word, "after" | "in"));
        let is_name = is_of_limit || (is_delay && before.len() > 1 && words(after).all(is_of_time));
        is_name.then_some(Self { name, before, after, is_retry_after: false })
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
        is_of_limit(self.name) || !self.is_retry_after
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
        match (is_delay, self.is_in_milliseconds(), words(self.after).last()) {
            (_, _, Some("minutes" | "mins")) => Numbers::Minutes,
            (_, _, Some("hours")) => Numbers::Hours,
            (true, true, _) => Numbers::Milliseconds,
            (true, false, _) => Numbers::Seconds,
            (false, true, _) => Numbers::MillisecondsOrEpoch,
            (false, false, _) => Numbers::SecondsOrEpoch,
        }
    }

    /// Returns whether the unit of a number is the millisecond. The `ms` of the prefix `x-ms` is no unit: it is Microsoft's.
    pub(super) fn is_in_milliseconds(&self) -> bool {
        let is_word = |word: &str| matches!(word, "ms" | "msec" | "millis" | "milliseconds");
        let name = self.name.strip_prefix("x-ms-").unwrap_or(self.name);
        words(name).any(is_word) || IN_MILLISECONDS.contains(&self.name)
    }
}

/// Returns whether a name may have one of the words that are looked for here. Most names of a response have none, and to look
/// for each word by itself would take most of the instructions of a refused call.
fn has_stem(name: &str) -> bool {
    let is_stem = |rest: &[u8]| {
        matches!(
            rest,
            [b'l', b'i', b'm', ..]
                | [b'q', b'u', b'o', ..]
                | [b't', b'h', b'r', ..]
                | [b'r', b'e', b't' | b's' | b'n', ..]
                | [b'b', b'a', b'c', ..]
                | [b'w', b'a', b'i', ..]
                | [b'n', b'e', b'x', ..]
                | [b'e', b'x', b'p', ..]
        )
    };
    (0..name.len()).any(|at| is_stem(&name.as_bytes()[at..]))
}

/// Returns whether a name has a word for a limit.
pub(super) fn is_of_limit(name: &str) -> bool {
    LIMITS.iter().any(|limit| name.contains(limit))
}

/// Splits a name at the word `next`, as in Akamai's `x-ratelimit-next` and Brightpearl's `brightpearl-next-throttle-period`.
fn next(name: &str) -> Option<(&str, &str)> {
    let (before, after) = name.rsplit_once("next")?;
    (before.ends_with(['-', '_']) && (after.is_empty() || after.starts_with(['-', '_'])))
        .then_some((before, after))
}

/// Splits a name at the word for its end, as in Keap's `x-keap-product-quota-expiry-time`.
fn expiry(name: &str) -> Option<(&str, &str)> {
    EXPIRIES.iter().find_map(|word| name.rsplit_once(word)).filter(|(_, after)| words(after).all(is_of_time))
}

/// Splits a name behind words for the rest of a time, which is no rest of a quota: `x-ratelimit-timeremaining` of GitHub Models,
/// and `x-rate-limit-remaining-seconds` of Rollbar.
fn time_remaining(name: &str) -> Option<(&str, &str)> {
    TIMES_REMAINING.iter().find_map(|word| Some((name.strip_suffix(word)?, "")))
}

/// Returns whether a name says how much of a quota is left.
pub(in crate::hint) fn is_remaining(name: &str) -> bool {
    let has_rest = name.contains("remain") || words(name).any(|word| matches!(word, "left" | "available"));
    has_rest && is_of_limit(name) && time_remaining(name).is_none()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(['-', '_']).filter(|word| !word.is_empty())
}

/// Returns whether a word behind `reset` says only how the time is written.
fn is_of_time(word: &str) -> bool {
    const WORDS: [&str; 21] = [
        "after",
        "at",
        "date",
        "datetime",
        "epoch",
        "hours",
        "in",
        "milliseconds",
        "millis",
        "mins",
        "minutes",
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

/// The words for a wait.
const WAITS: &[&str] =
    &["retry-after", "retry_after", "retryafter", "retry-in", "retry_in", "backoff", "towait", "wait"];
/// The words for the end of a quota in the place of `reset`.
const EXPIRIES: [&str; 3] = ["expiry", "expires", "renews"];
/// The ends of the names of times that remain.
const TIMES_REMAINING: [&str; 5] =
    ["timeremaining", "time-remaining", "remaining-time", "remaining-seconds", "seconds-remaining"];
/// The words for a limit. The first covers all spellings of a rate limit.
const LIMITS: [&str; 3] = ["limit", "quota", "throttl"];
/// The countdowns of KuCoin and of Brightpearl count milliseconds (their pages on rate limits).
const IN_MILLISECONDS: [&str; 2] = ["gw-ratelimit-reset", "brightpearl-next-throttle-period"];
/// Headers that have a rank of their own, and a field of bodies.
const KNOWN: [&str; 5] =
    ["retry-after", "retry-after-ms", "x-ms-retry-after-ms", "x-amz-retry-after", "retry_after"];

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_that_is_looked_for_has_a_stem() {
        let words = WAITS.iter().chain(&LIMITS).chain(&EXPIRIES).chain(&["reset", "next"]);
        for word in words {
            assert!(has_stem(&format!("x-{word}")), "{word}");
        }
        for name in ["date", "server", "content-type", "x-request-id", "re", "n", ""] {
            assert!(!has_stem(name), "{name}");
        }
    }
}
