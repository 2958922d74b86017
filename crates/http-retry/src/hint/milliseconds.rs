//! `retry-after-ms` and its kin: how long to wait, in ms.

use std::time::SystemTime;

use super::number::{self, Unit};
use super::{RetryHint, longest};
use crate::ResponseHead;

pub(super) fn read(name: &str, head: &ResponseHead<'_>, _: SystemTime) -> Option<RetryHint> {
    longest(head.headers(), name, |value| number::read(value, Unit::Milliseconds)).map(RetryHint::After)
}

#[cfg(test)]
mod tests {
    use crate::hint::tests::{Answer, check};

    #[test]
    fn each_header_is_in_milliseconds() {
        for name in ["retry-after-ms", "x-ms-retry-after-ms", "x-amz-retry-after"] {
            check(Answer::default().with(name, "1500"), name, 1_500);
            check(Answer::default().with(name, "0.5"), name, 1);
            check(Answer::default().with(name, "7").with(name, "9").with(name, "soon"), name, 9);
            check(Answer::default().with(name, "-100"), name, None);
            check(Answer::default().with(name, ""), name, None);
        }
    }
}
