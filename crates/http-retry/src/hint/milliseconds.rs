//! `retry-after-ms` and similar headers, whose unit is the millisecond.

use std::time::SystemTime;

use super::number::{self, TimeUnit};
use super::{Reading, RetryHint, lines};
use crate::ResponseHead;

/// Parses the longest delay among the values of the header.
pub(super) fn parse(header: &'static str, head: &ResponseHead<'_>, _: SystemTime) -> Option<Reading> {
    let delays = lines::values(head.headers(), header)
        .filter_map(|value| number::parse(value, TimeUnit::Milliseconds));
    Some(Reading { hint: RetryHint::After(delays.max()?), header, is_precise: true })
}

#[cfg(test)]
mod tests {
    use crate::hint::tests::{HintedResponse, check};

    #[test]
    fn each_header_is_in_milliseconds() {
        for name in ["retry-after-ms", "x-ms-retry-after-ms", "x-amz-retry-after"] {
            check(HintedResponse::default().with(name, "1500"), name, 1_500);
            check(HintedResponse::default().with(name, "0.5"), name, 1);
            check(HintedResponse::default().with(name, "7").with(name, "9").with(name, "soon"), name, 9);
            check(HintedResponse::default().with(name, "7, 9, soon"), name, 9);
            check(HintedResponse::default().with(name, "-100"), name, None);
            check(HintedResponse::default().with(name, ""), name, None);
        }
    }
}
