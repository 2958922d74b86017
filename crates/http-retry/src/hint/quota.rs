//! What is left of a quota, and when there is more.

use std::time::Duration;

use http::HeaderMap;

use super::number::{self, Unit};
use super::{RetryHint, trim};

/// What is left of a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    Nothing,
    Something,
}

/// What the header of a quota says is left; `None` where no line of it can be read. A line that says nothing
/// is left outranks the others.
pub(super) fn left(headers: &HeaderMap, name: &str) -> Option<Left> {
    let lines = headers.get_all(name).iter();
    // How much it is does not matter, so that any unit will do.
    let smallest = lines.filter_map(|value| number::read(trim(value.as_bytes()), Unit::Seconds)).min()?;
    Some(if smallest.is_zero() { Left::Nothing } else { Left::Something })
}

/// The hint of a quota of which nothing is left, and more in `delay`.
///
/// There is none in no time at all: either the header is wrong (Azure says so of quotas that it does not
/// know), or another quota is used up, and an attempt at once would be wasted.
pub(super) fn more_in(delay: Duration) -> Option<RetryHint> {
    (!delay.is_zero()).then_some(RetryHint::After(delay))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[track_caller]
    fn check(lines: &[&str], expected: impl Into<Option<Left>>) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-remaining", HeaderValue::from_str(line).unwrap());
        }
        assert_eq!(left(&headers, "x-remaining"), expected.into(), "{lines:?}");
    }

    #[test]
    fn zero_in_any_form_is_nothing() {
        check(&["0"], Left::Nothing);
        check(&["000"], Left::Nothing);
        check(&["0.0"], Left::Nothing);
        check(&["5", "0"], Left::Nothing);
    }

    #[test]
    fn anything_above_is_something() {
        check(&["1"], Left::Something);
        check(&["0.0001"], Left::Something);
        check(&["99999999999999999999999"], Left::Something);
    }

    #[test]
    fn what_is_no_number_says_nothing() {
        for lines in [&[][..], &[""], &["-1"], &["none"], &["0, 0"]] {
            check(lines, None);
        }
    }
}
