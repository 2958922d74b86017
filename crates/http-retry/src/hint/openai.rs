//! `x-ratelimit-reset-requests` and `x-ratelimit-reset-tokens`: when OpenAI's quotas are full again, as Go
//! durations.

use std::str;
use std::time::{Duration, SystemTime};

use http::HeaderMap;

use super::quota::{self, Left};
use super::{RetryHint, duration, longest, trim};
use crate::ResponseHead;

/// The wait for the quota of this name, if it is used up, and no other for longer.
pub(super) fn read(name: &str, head: &ResponseHead<'_>, _: SystemTime) -> Option<RetryHint> {
    let delay = wait(head.headers(), name)?;
    let is_longest = QUOTAS.iter().all(|other| wait(head.headers(), other) <= Some(delay));
    is_longest.then(|| quota::more_in(delay))?
}

/// Azure's `-1` with a reset of `0` is a quota that it does not know, and not one that is used up.
fn wait(headers: &HeaderMap, name: &str) -> Option<Duration> {
    let left = quota::left(headers, &name.replace("reset", "remaining"))?;
    (left == Left::Nothing).then(|| longest(headers, name, duration::read))?
}

/// A quota that fills all the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refill {
    /// How much there is when it is full.
    pub(crate) limit: u64,
    /// How much is left, rounded down.
    pub(crate) remaining: u64,
    /// When it is full again.
    pub(crate) reset: Duration,
}

/// The quota of requests, each of which takes one. (How many tokens a request takes, no header says.)
pub(super) fn refill(headers: &HeaderMap) -> Option<Refill> {
    let count = |name| str::from_utf8(trim(headers.get(name)?.as_bytes())).ok()?.parse().ok();
    let limit = count("x-ratelimit-limit-requests").filter(|limit| *limit > 0)?;
    let remaining = count("x-ratelimit-remaining-requests").filter(|remaining| *remaining <= limit)?;
    Some(Refill { limit, remaining, reset: longest(headers, REQUESTS, duration::read)? })
}

pub(super) const REQUESTS: &str = "x-ratelimit-reset-requests";
pub(super) const TOKENS: &str = "x-ratelimit-reset-tokens";
const QUOTAS: [&str; 2] = [REQUESTS, TOKENS];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hint::tests::{self, Answer};

    /// What is left of the requests and when there are more; the same of the tokens; the header that speaks.
    #[track_caller]
    fn check(
        requests: [&str; 2],
        tokens: [&str; 2],
        name: &'static str,
        expected_ms: impl Into<Option<u64>>,
    ) {
        let answer = Answer::default()
            .with("x-ratelimit-remaining-requests", requests[0])
            .with("x-ratelimit-reset-requests", requests[1])
            .with("x-ratelimit-remaining-tokens", tokens[0])
            .with("x-ratelimit-reset-tokens", tokens[1]);
        tests::check(answer, name, expected_ms);
    }

    #[test]
    fn the_longest_of_those_that_are_used_up_counts() {
        check(["0", "6m0s"], ["4000", "9m0s"], REQUESTS, 360_000);
        check(["59", "9m0s"], ["0", "76ms"], TOKENS, 76);
        check(["0", "1s"], ["0", "6s"], TOKENS, 6_000);
        check(["0", "2m59.56s"], ["0", "6s"], REQUESTS, 179_560);
        check(["0", "6s"], ["0", "6s"], REQUESTS, 6_000);
        check(["0", "1s"], ["0", "soon"], REQUESTS, 1_000);
    }

    #[test]
    fn a_quota_with_something_left_is_no_hint() {
        check(["59", "1s"], ["4000", "6m0s"], REQUESTS, None);
        tests::check(Answer::default().with(TOKENS, "6s"), TOKENS, None);
    }

    #[test]
    fn azures_unknown_quotas_do_not_mean_now() {
        check(["10", "0"], ["-1", "0"], TOKENS, None);
        check(["10", "0"], ["0", "0"], TOKENS, None);
        check(["0", "0s"], ["0", "0ms"], REQUESTS, None);
        check(["0", "1s"], ["-1", "0"], REQUESTS, 1_000);
    }

    /// Limit, what remains of it and when it is full again; the same as it is read.
    #[track_caller]
    fn check_refill(lines: [&str; 3], expected: impl Into<Option<(u64, u64, u64)>>) {
        let names = ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", REQUESTS];
        let answer =
            names.iter().zip(lines).fold(Answer::of(200), |answer, (name, value)| answer.with(name, value));
        let expected = expected.into().map(|(limit, remaining, reset)| Refill {
            limit,
            remaining,
            reset: Duration::from_millis(reset),
        });
        assert_eq!(answer.refill(), expected, "{lines:?}");
    }

    #[test]
    fn a_quota_of_requests_says_how_fast_it_fills() {
        check_refill(["60", "59", "1s"], (60, 59, 1_000));
        check_refill(["10000", "0", "6m0s"], (10_000, 0, 360_000));
        check_refill(["60", "60", "0s"], (60, 60, 0));
        check_refill([" 60", "59\t", "8.64s "], (60, 59, 8_640));
        check_refill(["18446744073709551615", "0", "1ms"], (u64::MAX, 0, 1));
    }

    #[test]
    fn one_of_which_a_part_is_missing_or_wrong_says_nothing() {
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
        assert_eq!(Answer::of(200).refill(), None);
    }

    /// How many of them a request takes, no header says.
    #[test]
    fn a_quota_of_tokens_is_no_refill() {
        let answer = Answer::of(200)
            .with("x-ratelimit-limit-tokens", "60")
            .with("x-ratelimit-remaining-tokens", "59")
            .with(TOKENS, "1s");
        assert_eq!(answer.refill(), None);
    }
}
