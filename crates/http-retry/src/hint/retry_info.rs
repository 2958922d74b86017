//! `google.rpc.RetryInfo`, among the details of a gRPC status: not before this much time has passed.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use prost::Message;

use super::{RetryHint, longest};
use crate::ResponseHead;
use crate::outcome::GRPC_STATUS;

/// What is malformed, negative or out of protobuf's range is no hint. Several values may stand in one line, as in every
/// binary header of gRPC's (PROTOCOL-HTTP2, "Custom-Metadata").
///
/// They are the details of a status, which stands in the same head: the server put it there (*Trailers-Only*), or a layer
/// that moved the trailers there. A head without one ends no call of gRPC's.
pub(super) fn read(name: &str, head: &ResponseHead<'_>, _: SystemTime) -> Option<RetryHint> {
    if !head.headers().contains_key(&GRPC_STATUS) {
        return None;
    }
    let of_line = |line: &[u8]| line.split(|byte| *byte == b',').filter_map(delay).max();
    longest(head.headers(), name, of_line).map(RetryHint::After)
}

/// The delay in one value: the base64 of a [`Status`], of whose details the longest delay counts.
fn delay(value: &[u8]) -> Option<Duration> {
    let status = Status::decode(&*BASE64.decode(super::trim(value)).ok()?).ok()?;
    let infos = status.details.iter().filter(|detail| detail.type_url.ends_with(RETRY_INFO));
    infos.filter_map(|detail| RetryInfo::decode(&*detail.value).ok()?.retry_delay?.read()).max()
}

/// `google.rpc.Status`, without what is not needed.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, Copy, PartialEq, Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

impl Delay {
    /// `None` where it is negative, or none by protobuf's own rules.
    fn read(self) -> Option<Duration> {
        let seconds = u64::try_from(self.seconds).ok().filter(|seconds| *seconds <= LONGEST)?;
        let nanos = u32::try_from(self.nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
        Some(Duration::new(seconds, nanos))
    }
}

/// With padding or without, as gRPC demands of whoever reads it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

const RETRY_INFO: &str = "google.rpc.RetryInfo";

/// The longest `google.protobuf.Duration`, 10,000 years, in seconds.
const LONGEST: u64 = 315_576_000_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hint::{DETAILS, PUSHBACK, tests::Answer};

    /// The details of a status with a delay; `None` for a `RetryInfo` without one.
    fn details(type_url: &str, delay: Option<(i64, i32)>) -> Vec<u8> {
        let retry_delay = delay.map(|(seconds, nanos)| Delay { seconds, nanos });
        let value = RetryInfo { retry_delay }.encode_to_vec();
        let debug = Any { type_url: "type.googleapis.com/google.rpc.DebugInfo".into(), value: vec![255; 9] };
        Status { details: vec![debug, Any { type_url: type_url.into(), value }] }.encode_to_vec()
    }

    fn of(seconds: i64, nanos: i32) -> String {
        BASE64.encode(details("type.googleapis.com/google.rpc.RetryInfo", Some((seconds, nanos))))
    }

    #[track_caller]
    fn check(lines: &[&str], expected: impl Into<Option<Duration>>) {
        let failed = Answer::of(200).with("grpc-status", "8");
        let answer = lines.iter().fold(failed, |answer, line| answer.with(DETAILS, line));
        let expected = expected.into().map(|delay| (RetryHint::After(delay), DETAILS));
        assert_eq!(answer.hint(), expected, "{lines:?}");
    }

    /// On the wire: code 8, the message "slow down!", and a delay of 1.5 s.
    const ON_THE_WIRE: &str =
        "CAgSCnNsb3cgZG93biEaNgoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIKCggIARCAyrXuAQ==";

    #[test]
    fn a_delay_is_read_to_the_nanosecond() {
        check(&[&of(1, 500_000_000)], Duration::from_millis(1_500));
        check(&[&of(0, 1)], Duration::from_nanos(1));
        check(&[&of(0, 0)], Duration::ZERO);
        check(&[&of(315_576_000_000, 999_999_999)], Duration::new(LONGEST, 999_999_999));
        check(&[ON_THE_WIRE], Duration::from_millis(1_500));
        let other_host = BASE64.encode(details("example.com/google.rpc.RetryInfo", Some((7, 0))));
        check(&[&other_host], Duration::from_secs(7));
    }

    #[test]
    fn padding_is_of_no_account() {
        assert!(ON_THE_WIRE.ends_with('='));
        check(&[ON_THE_WIRE.trim_end_matches('=')], Duration::from_millis(1_500));
    }

    #[test]
    fn of_several_the_longest_counts() {
        check(&[&of(1, 0), &of(3, 0), &of(2, 0)], Duration::from_secs(3));
        check(&[&format!("{}, {},!!!", of(1, 0), of(4, 0))], Duration::from_secs(4));
        check(&["!!!", &of(5, 0)], Duration::from_secs(5));
    }

    #[test]
    fn what_is_negative_or_out_of_range_is_no_hint() {
        for (seconds, nanos) in [
            (-1, 0),
            (0, -1),
            (1, -1),
            (0, 1_000_000_000),
            (315_576_000_001, 0),
            (i64::MAX, 0),
            (i64::MIN, i32::MIN),
        ] {
            check(&[&of(seconds, nanos)], None);
        }
    }

    #[test]
    fn what_is_no_retry_info_is_no_hint() {
        let other = BASE64.encode(details("type.googleapis.com/google.rpc.QuotaFailure", Some((1, 0))));
        let without = BASE64.encode(details("type.googleapis.com/google.rpc.RetryInfo", None));
        let cut = &of(1, 0)[..20];
        for value in ["", "=", "!!!", "AAAA", "_-_-", "CAgSCXNsb3cgZG93bg", cut, &other, &without] {
            check(&[value], None);
        }
    }

    /// Those who do not call gRPC see no change where the feature is on.
    #[test]
    fn only_the_head_that_ends_a_call_has_details() {
        for status in [200, 429, 503] {
            let plain = Answer::of(status).with(DETAILS, ON_THE_WIRE);
            assert_eq!(plain.hint(), None, "{status}");
            // How this call ended is still to come, and what it ended with.
            assert_eq!(plain.with("content-type", "application/grpc").hint(), None, "{status}");
            let plain = Answer::of(status).with(DETAILS, ON_THE_WIRE).with("retry-after", "7");
            assert_eq!(
                plain.hint(),
                Some((RetryHint::After(Duration::from_secs(7)), "retry-after")),
                "{status}"
            );
        }
    }

    #[test]
    fn a_pushback_outranks_it() {
        let answer = Answer::of(200).with("grpc-status", "8").with(DETAILS, &of(5, 0)).with(PUSHBACK, "7");
        assert_eq!(answer.hint(), Some((RetryHint::After(Duration::from_millis(7)), PUSHBACK)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            delay(&bytes);
            delay(BASE64.encode(&bytes).as_bytes());
        }

        #[test]
        fn no_value_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let detail = Any { type_url: RETRY_INFO.into(), value: bytes };
            delay(BASE64.encode(Status { details: vec![detail] }.encode_to_vec()).as_bytes());
        }
    }
}
