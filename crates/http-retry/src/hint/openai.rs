//! `x-ratelimit-reset-requests` and `x-ratelimit-reset-tokens`, the times until OpenAI's quotas are full, as Go durations.

use std::str;
use std::time::{Duration, SystemTime};

use http::HeaderMap;

use super::quota::{self, Remaining};
use super::{RetryHint, duration, longest, trim};
use crate::ResponseHead;

/// Parses the wait for the quota of this header, if it is used up and no other quota has a longer wait.
pub(super) fn parse(name: &str, head: &ResponseHead<'_>, _: SystemTime) -> Option<RetryHint> {
    let delay = wait(head.headers(), name)?;
    let is_longest = QUOTAS.iter().all(|other| wait(head.headers(), other) <= Some(delay));
    is_longest.then(|| quota::hint_after(delay))?
}

/// Returns the wait for a used-up quota. Azure sends `-1` remaining with a reset of `0` for a quota that it does not know,
/// and such a quota is not used up.
fn wait(headers: &HeaderMap, name: &str) -> Option<Duration> {
    let remaining = quota::remaining(headers, &name.replace("reset", "remaining"))?;
    (remaining == Remaining::Nothing).then(|| longest(headers, name, duration::parse))?
}

/// The state of a quota that refills continuously.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refill {
    /// The size of the full quota.
    pub(crate) limit: u64,
    /// The rest of the quota, rounded down.
    pub(crate) remaining: u64,
    /// The time until the quota is full.
    pub(crate) reset: Duration,
}

/// Returns the quota of requests. Each request takes one of it. The quota of tokens is left out, because no header gives
/// the tokens that a request takes.
pub(super) fn refill(headers: &HeaderMap) -> Option<Refill> {
    let count = |name| str::from_utf8(trim(headers.get(name)?.as_bytes())).ok()?.parse().ok();
    let limit = count("x-ratelimit-limit-requests").filter(|limit| *limit > 0)?;
    let remaining = count("x-ratelimit-remaining-requests").filter(|remaining| *remaining <= limit)?;
    Some(Refill { limit, remaining, reset: longest(headers, REQUESTS, duration::parse)? })
}

pub(super) const REQUESTS: &str = "x-ratelimit-reset-requests";
pub(super) const TOKENS: &str = "x-ratelimit-reset-tokens";
const QUOTAS: [&str; 2] = [REQUESTS, TOKENS];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hint::tests::{self, HintedResponse};

    /// Each quota is given by its `remaining` and its `reset` header; `name` is the header with the hint.
    #[track_caller]
    fn check(
        requests: [&str; 2],
        tokens: [&str; 2],
        name: &'static str,
        expected_ms: impl Into<Option<u64>>,
    ) {
        let response = HintedResponse::default()
            .with("x-ratelimit-remaining-requests", requests[0])
            .with("x-ratelimit-reset-requests", requests[1])
            .with("x-ratelimit-remaining-tokens", tokens[0])
            .with("x-ratelimit-reset-tokens", tokens[1]);
        tests::check(response, name, expected_ms);
    }

    #[test]
    fn the_longest_wait_among_the_used_up_quotas_counts() {
        check(["0", "6m0s"], ["4000", "9m0s"], REQUESTS, 360_000);
        check(["59", "9m0s"], ["0", "76ms"], TOKENS, 76);
        check(["0", "1s"], ["0", "6s"], TOKENS, 6_000);
        check(["0", "2m59.56s"], ["0", "6s"], REQUESTS, 179_560);
        check(["0", "6s"], ["0", "6s"], REQUESTS, 6_000);
        check(["0", "1s"], ["0", "soon"], REQUESTS, 1_000);
    }

    #[test]
    fn a_quota_that_is_not_used_up_gives_no_hint() {
        check(["59", "1s"], ["4000", "6m0s"], REQUESTS, None);
        tests::check(HintedResponse::default().with(TOKENS, "6s"), TOKENS, None);
    }

    #[test]
    fn azures_unknown_quotas_give_no_hint() {
        check(["10", "0"], ["-1", "0"], TOKENS, None);
        check(["10", "0"], ["0", "0"], TOKENS, None);
        check(["0", "0s"], ["0", "0ms"], REQUESTS, None);
        check(["0", "1s"], ["-1", "0"], REQUESTS, 1_000);
    }

    /// The lines are the values of the limit, the remaining and the reset header.
    #[track_caller]
    fn check_refill(lines: [&str; 3], expected: impl Into<Option<(u64, u64, u64)>>) {
        let names = ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", REQUESTS];
        let response = names
            .iter()
            .zip(lines)
            .fold(HintedResponse::new(200), |response, (name, value)| response.with(name, value));
        let expected = expected.into().map(|(limit, remaining, reset)| Refill {
            limit,
            remaining,
            reset: Duration::from_millis(reset),
        });
        assert_eq!(response.refill(), expected, "{lines:?}");
    }

    #[test]
    fn the_quota_of_requests_is_parsed() {
        check_refill(["60", "59", "1s"], (60, 59, 1_000));
        check_refill(["10000", "0", "6m0s"], (10_000, 0, 360_000));
        check_refill(["60", "60", "0s"], (60, 60, 0));
        check_refill([" 60", "59\t", "8.64s "], (60, 59, 8_640));
        check_refill(["18446744073709551615", "0", "1ms"], (u64::MAX, 0, 1));
    }

    #[test]
    fn a_quota_with_a_missing_or_wrong_part_is_ignored() {
        for lines in [
            ["", "59", "1s"],
            ["60", "", "1s"],
            ["60", "59", ""],
            ["0", "0", "1s"],
            ["60", "61", "1s"],
            ["60", "-1", "1s"],
            ["60", "59.5", "1s"],
            ["18446744073709551616", "0", "1s"],
            ["60", "59", "soon"],
            ["60", "59", "1"],
            ["60", "59", "-1s"],
            ["\u{e9}", "59", "1s"],
        ] {
            check_refill(lines, None);
        }
        assert_eq!(HintedResponse::new(200).refill(), None);
    }

    /// No header gives the tokens that a request takes.
    #[test]
    fn the_quota_of_tokens_is_ignored() {
        let response = HintedResponse::new(200)
            .with("x-ratelimit-limit-tokens", "60")
            .with("x-ratelimit-remaining-tokens", "59")
            .with(TOKENS, "1s");
        assert_eq!(response.refill(), None);
    }
}
