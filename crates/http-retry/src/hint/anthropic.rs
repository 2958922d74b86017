//! `anthropic-ratelimit-*-reset`, the times at which Anthropic's quotas reset, as RFC 3339.

use std::time::{Duration, SystemTime};

use http::HeaderMap;

use super::quota::{self, Remaining};
use super::{RetryHint, clock, longest, rfc3339};
use crate::ResponseHead;

/// Parses the longest wait among the used-up quotas. Anthropic has renamed quotas and may add more, so the name of a quota
/// is a wildcard.
pub(super) fn parse(pattern: &str, head: &ResponseHead<'_>, now: SystemTime) -> Option<RetryHint> {
    let (start, end) = pattern.split_once('*')?;
    let names = head.headers().keys().filter_map(|name| name.as_str().strip_prefix(start)?.strip_suffix(end));
    let delays = names.filter_map(|quota| {
        let prefix = format!("{start}{quota}");
        wait(head.headers(), &prefix, now)
    });
    quota::hint_after(delays.max()?)
}

fn wait(headers: &HeaderMap, prefix: &str, now: SystemTime) -> Option<Duration> {
    let remaining = quota::remaining(headers, &format!("{prefix}-remaining"))?;
    let until = |time| clock::until(time, headers, now);
    let delay = || longest(headers, &format!("{prefix}-reset"), |value| rfc3339::parse(value).map(until));
    (remaining == Remaining::Nothing).then(delay)?
}

#[cfg(test)]
mod tests {
    use crate::hint::tests::{self, HintedResponse};

    /// Each quota has a name, a value of its `remaining` header, and a value of its `reset` header.
    #[track_caller]
    fn check(quotas: &[[&str; 3]], expected_ms: impl Into<Option<u64>>) {
        let response =
            quotas.iter().fold(HintedResponse::default(), |response, [quota, remaining, reset]| {
                let prefix = format!("anthropic-ratelimit-{quota}");
                response
                    .with(&format!("{prefix}-remaining"), remaining)
                    .with(&format!("{prefix}-reset"), reset)
            });
        tests::check(response, "anthropic-ratelimit-*-reset", expected_ms);
    }

    #[test]
    fn any_used_up_quota_gives_a_hint() {
        for quota in ["requests", "tokens", "input-tokens", "output-tokens", "priority-input-tokens", "new"] {
            check(&[[quota, "0", "2026-01-01T00:00:30Z"]], 30_000);
            check(&[[quota, "1", "2026-01-01T00:00:30Z"]], None);
        }
    }

    #[test]
    fn the_longest_wait_among_the_used_up_quotas_counts() {
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
        let response = HintedResponse::default()
            .with("date", "Wed, 31 Dec 2025 23:59:50 GMT")
            .with("anthropic-ratelimit-tokens-remaining", "0")
            .with("anthropic-ratelimit-tokens-reset", "2026-01-01T00:00:30Z");
        tests::check(response, "anthropic-ratelimit-*-reset", 40_000);
    }

    #[test]
    fn anything_else_is_no_hint() {
        for value in ["", "30", "1767225630", "2025-12-31T23:59:59Z", "Thu, 01 Jan 2026 00:00:30 GMT"] {
            check(&[["requests", "0", value]], None);
        }
        let alone =
            HintedResponse::default().with("anthropic-ratelimit-requests-reset", "2026-01-01T00:00:30Z");
        tests::check(alone, "anthropic-ratelimit-*-reset", None);
    }
}
