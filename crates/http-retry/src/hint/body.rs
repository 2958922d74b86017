//! A wait that a server names in the body of its response.

use std::time::Duration;

use super::{Reading, RetryHint};
use crate::ResponseHead;

/// The wait that the body of a response names, as an extension of the response.
///
/// This crate reads no bodies. A caller that does, such as a gateway, puts what it finds into the extensions of the response.
/// The wait counts where no header of the response names one. A wait of zero counts for nothing.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use http::Response;
/// use http_retry::{BodyHint, ResponseHead, RetryHint};
///
/// let response = Response::builder().status(429).extension(BodyHint(Duration::from_secs(34))).body(()).unwrap();
/// let hint = RetryHint::read(&ResponseHead::from(&response), SystemTime::UNIX_EPOCH);
/// assert_eq!(hint, Some(RetryHint::After(Duration::from_secs(34))));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyHint(pub Duration);

/// Reads the wait. It is a hint like any other, and precise if it has fractions of a second.
pub(super) fn read(response: &ResponseHead<'_>) -> Option<Reading> {
    let BodyHint(delay) = *response.extension()?;
    let hint = RetryHint::After(delay);
    (!delay.is_zero()).then_some(Reading { hint, header: "body", is_precise: delay.subsec_nanos() != 0 })
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use http::Response;

    use super::*;

    #[track_caller]
    fn check(delay_ms: u64, retry_after: Option<&str>, expected: Option<(u64, &str)>) {
        let mut response =
            Response::builder().status(429).extension(BodyHint(Duration::from_millis(delay_ms)));
        if let Some(value) = retry_after {
            response = response.header("retry-after", value);
        }
        let response = response.body(()).unwrap();
        let hint = RetryHint::read_with_header(&ResponseHead::from(&response), SystemTime::UNIX_EPOCH);
        let expected = expected.map(|(millis, name)| (RetryHint::After(Duration::from_millis(millis)), name));
        assert_eq!(hint, expected, "{delay_ms} {retry_after:?}");
    }

    #[test]
    fn the_body_counts_where_no_header_names_a_wait() {
        check(3_000, None, Some((3_000, "body")));
        check(3_000, Some("soon"), Some((3_000, "body")));
        check(3_000, Some("1"), Some((1_000, "retry-after")));
        check(3_000, Some("0"), Some((3_000, "body")));
        check(0, Some("0"), Some((0, "retry-after")));
        check(0, None, None);
    }
}
