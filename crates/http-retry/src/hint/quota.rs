//! The rest of a quota.

use http::HeaderMap;

use super::lines;
use super::number::{self, TimeUnit};
use super::trim;

/// The rest of a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remaining {
    Nothing,
    Something,
}

/// Parses the rest of a quota from its header. Returns `None` if no value is a number. The smallest value counts, without the
/// parameters that may follow it.
pub(super) fn remaining(headers: &HeaderMap, name: &str) -> Option<Remaining> {
    let numbers = lines::values(headers, name).filter_map(|value| {
        let value = value.split(|byte| *byte == b';').next()?;
        // Only zero matters, so the unit does not.
        number::parse(trim(value), TimeUnit::Seconds)
    });
    Some(if numbers.min()?.is_zero() { Remaining::Nothing } else { Remaining::Something })
}

/// Parses the percentage of a quota that was used. The largest value counts.
pub(super) fn unused(headers: &HeaderMap, name: &str) -> Option<Remaining> {
    let percents = lines::values(headers, name).filter_map(|value| number::parse(value, TimeUnit::Seconds));
    Some(if percents.max()?.as_secs() >= 100 { Remaining::Nothing } else { Remaining::Something })
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
        check(&["5, 0"], Remaining::Nothing);
        check(&["0;w=21600"], Remaining::Nothing);
    }

    #[test]
    fn anything_above_is_something() {
        check(&["1"], Remaining::Something);
        check(&["0.0001"], Remaining::Something);
        check(&["99999999999999999999999"], Remaining::Something);
    }

    #[test]
    fn any_other_value_is_ignored() {
        for lines in [&[][..], &[""], &["-1"], &["none"], &[";"]] {
            check(lines, None);
        }
    }
}
