//! `anthropic-ratelimit-*-reset`: when Anthropic's quotas are back, as RFC 3339.

use std::time::{Duration, SystemTime};

use http::HeaderMap;

use super::quota::{self, Left};
use super::{RetryHint, clock, longest, rfc3339};
use crate::ResponseHead;

/// The longest wait for one of the quotas that are used up. They have had several names, and may get more.
pub(super) fn read(pattern: &str, head: &ResponseHead<'_>, now: SystemTime) -> Option<RetryHint> {
    let (start, end) = pattern.split_once('*')?;
    let names = head.headers().keys().filter_map(|name| name.as_str().strip_prefix(start)?.strip_suffix(end));
    let delays = names.filter_map(|quota| {
        let prefix = format!("{start}{quota}");
        wait(head.headers(), &prefix, now)
    });
    quota::more_in(delays.max()?)
}

fn wait(headers: &HeaderMap, prefix: &str, now: SystemTime) -> Option<Duration> {
    let left = quota::left(headers, &format!("{prefix}-remaining"))?;
    let until = |moment| clock::until(moment, headers, now);
    let delay = || longest(headers, &format!("{prefix}-reset"), |value| rfc3339::read(value).map(until));
    (left == Left::Nothing).then(delay)?
}

#[cfg(test)]
mod tests {
    use crate::hint::tests::{self, Answer};

    /// Names of quotas, what is left of each, and when there is more.
    #[track_caller]
    fn check(quotas: &[[&str; 3]], expected_ms: impl Into<Option<u64>>) {
        let answer = quotas.iter().fold(Answer::default(), |answer, [quota, remaining, reset]| {
            let prefix = format!("anthropic-ratelimit-{quota}");
            answer.with(&format!("{prefix}-remaining"), remaining).with(&format!("{prefix}-reset"), reset)
        });
        tests::check(answer, "anthropic-ratelimit-*-reset", expected_ms);
    }

    #[test]
    fn any_quota_that_is_used_up_says_when_it_is_back() {
        for quota in ["requests", "tokens", "input-tokens", "output-tokens", "priority-input-tokens", "new"] {
            check(&[[quota, "0", "2026-01-01T00:00:30Z"]], 30_000);
            check(&[[quota, "1", "2026-01-01T00:00:30Z"]], None);
        }
    }

    #[test]
    fn the_longest_of_those_that_are_used_up_counts() {
        check(
            &[
                ["requests", "0", "2026-01-01T00:00:30Z"],
                ["input-tokens", "0", "2026-01-01T00:00:40.5Z"],
                ["output-tokens", "1000", "2026-01-01T00:09:00Z"],
                ["tokens", "0", "soon"],
            ],
            40_500,
        );
    }

    #[test]
    fn the_servers_clock_sets_the_time() {
        let answer = Answer::default()
            .with("date", "Wed, 31 Dec 2025 23:59:50 GMT")
            .with("anthropic-ratelimit-tokens-remaining", "0")
            .with("anthropic-ratelimit-tokens-reset", "2026-01-01T00:00:30Z");
        tests::check(answer, "anthropic-ratelimit-*-reset", 40_000);
    }

    #[test]
    fn anything_else_is_no_hint() {
        for value in ["", "30", "1767225630", "2025-12-31T23:59:59Z", "Thu, 01 Jan 2026 00:00:30 GMT"] {
            check(&[["requests", "0", value]], None);
        }
        let alone = Answer::default().with("anthropic-ratelimit-requests-reset", "2026-01-01T00:00:30Z");
        tests::check(alone, "anthropic-ratelimit-*-reset", None);
    }
}
