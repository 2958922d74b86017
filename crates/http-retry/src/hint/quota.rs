//! The rest of a quota, and the hint of a used-up one.

use std::time::Duration;

use http::HeaderMap;

use super::number::{self, Unit};
use super::{RetryHint, trim};

/// The rest of a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remaining {
    Nothing,
    Something,
}

/// Parses the rest of a quota from its header. Returns `None` if no line is a number. The smallest line counts.
pub(super) fn remaining(headers: &HeaderMap, name: &str) -> Option<Remaining> {
    let lines = headers.get_all(name).iter();
    // Only zero matters, so the unit does not.
    let smallest = lines.filter_map(|value| number::parse(trim(value.as_bytes()), Unit::Seconds)).min()?;
    Some(if smallest.is_zero() { Remaining::Nothing } else { Remaining::Something })
}

/// Returns the hint of a used-up quota that resets after `delay`.
///
/// A delay of zero gives no hint. Either the header is wrong (Azure sends zero for quotas that it does not know), or
/// another quota is used up, and an immediate attempt would fail.
pub(super) fn hint_after(delay: Duration) -> Option<RetryHint> {
    (!delay.is_zero()).then_some(RetryHint::After(delay))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[track_caller]
    fn check(lines: &[&str], expected: impl Into<Option<Remaining>>) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-remaining", HeaderValue::from_str(line).unwrap());
        }
        assert_eq!(remaining(&headers, "x-remaining"), expected.into(), "{lines:?}");
    }

    #[test]
    fn zero_in_any_form_is_nothing() {
        check(&["0"], Remaining::Nothing);
        check(&["000"], Remaining::Nothing);
        check(&["0.0"], Remaining::Nothing);
        check(&["5", "0"], Remaining::Nothing);
    }

    #[test]
    fn anything_above_is_something() {
        check(&["1"], Remaining::Something);
        check(&["0.0001"], Remaining::Something);
        check(&["99999999999999999999999"], Remaining::Something);
    }

    #[test]
    fn any_other_value_is_ignored() {
        for lines in [&[][..], &[""], &["-1"], &["none"], &["0, 0"]] {
            check(lines, None);
        }
    }
}
