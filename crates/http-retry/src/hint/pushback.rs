//! `grpc-retry-pushback-ms` (gRPC A6), the exact delay before the next attempt, or a ban of further attempts.

use std::str;
use std::time::{Duration, SystemTime};

use super::{Reading, RetryHint, trim};
use crate::ResponseHead;

/// Parses the delay in milliseconds. A negative number, and any value that is not a 32-bit number, means not to try again
/// (gRPC A6). Several lines that differ mean the same, because they are not one number.
pub(super) fn parse(header: &'static str, head: &ResponseHead<'_>, _: SystemTime) -> Option<Reading> {
    let mut lines = head.headers().get_all(header).iter().map(|value| millis(trim(value.as_bytes())));
    let first = lines.next()?;
    let is_one_number = lines.all(|line| line == first);
    let hint = first.filter(|_| is_one_number).map_or(RetryHint::Never, RetryHint::After);
    Some(Reading { hint, header, is_precise: true })
}

fn millis(value: &[u8]) -> Option<Duration> {
    if !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let millis: i32 = str::from_utf8(value).ok()?.parse().ok()?;
    u64::try_from(millis).ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hint::{PUSHBACK, tests::HintedResponse};

    #[track_caller]
    fn check(lines: &[&str], expected: impl Into<Option<RetryHint>>) {
        let response =
            lines.iter().fold(HintedResponse::default(), |response, line| response.with(PUSHBACK, line));
        assert_eq!(response.hint(), expected.into().map(|hint| (hint, PUSHBACK)), "{lines:?}");
    }

    fn after(millis: u64) -> RetryHint {
        RetryHint::After(Duration::from_millis(millis))
    }

    #[test]
    fn a_number_is_exactly_that_many_milliseconds() {
        check(&[], None);
        check(&["0"], after(0));
        check(&["10"], after(10));
        check(&["2147483647"], after(2_147_483_647));
        check(&["10", "10"], after(10));
    }

    #[test]
    fn a_negative_number_is_never() {
        check(&["-1"], RetryHint::Never);
        check(&["-0"], RetryHint::Never);
        check(&["-2147483648"], RetryHint::Never);
    }

    #[test]
    fn any_other_value_is_never() {
        for value in ["", "soon", "+1", "1.5", "1e3", "10ms", "0x10", "2147483648", "99999999999999999999"] {
            check(&[value], RetryHint::Never);
        }
    }

    #[test]
    fn several_lines_that_differ_are_never() {
        check(&["100", "200"], RetryHint::Never);
        check(&["100", "100", "soon"], RetryHint::Never);
        check(&["100, 200"], RetryHint::Never);
    }
}
