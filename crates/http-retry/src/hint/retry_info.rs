//! `google.rpc.RetryInfo`, the delay in the error details of a gRPC status.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use prost::Message;

use super::{Reading, RetryHint, lines};
use crate::ResponseHead;
use crate::outcome::GRPC_STATUS;

/// Parses the longest delay among all values. A value that is malformed, negative or out of protobuf's range gives no hint.
/// One line may have several values, as in every binary header of gRPC (PROTOCOL-HTTP2, "Custom-Metadata").
///
/// The header counts only beside a `grpc-status`, because it has the details of that status. The server sends both in the
/// head (*Trailers-Only*), or a layer moves the trailers there. A head without a status does not end a gRPC call.
pub(super) fn parse(header: &'static str, head: &ResponseHead<'_>, _: SystemTime) -> Option<Reading> {
    if !head.headers().contains_key(&GRPC_STATUS) {
        return None;
    }
    let delay = lines::values(head.headers(), header).filter_map(delay).max()?;
    Some(Reading { hint: RetryHint::After(delay), header, is_precise: delay.subsec_nanos() != 0 })
}

/// Returns the longest delay among the details of one value, which is a [`Status`] in base64.
fn delay(value: &[u8]) -> Option<Duration> {
    let status = Status::decode(&*BASE64.decode(value).ok()?).ok()?;
    let infos = status.details.iter().filter(|detail| detail.type_url.ends_with(RETRY_INFO));
    infos.filter_map(|detail| RetryInfo::decode(&*detail.value).ok()?.retry_delay?.to_duration()).max()
}

/// `google.rpc.Status`, without the fields that are not needed.
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
    /// Converts the delay. Returns `None` if it is negative or not valid by protobuf's rules.
    fn to_duration(self) -> Option<Duration> {
        let seconds = u64::try_from(self.seconds).ok().filter(|seconds| *seconds <= MAX_DELAY_SECONDS)?;
        let nanos = u32::try_from(self.nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
        Some(Duration::new(seconds, nanos))
    }
}

/// A base64 decoder that accepts values with and without padding, as gRPC requires.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

const RETRY_INFO: &str = "google.rpc.RetryInfo";

/// The longest `google.protobuf.Duration`, about 10,000 years, in seconds.
const MAX_DELAY_SECONDS: u64 = 315_576_000_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hint::{DETAILS, PUSHBACK, tests::HintedResponse};

    /// Encodes a status whose `RetryInfo` has the delay, if there is one.
    fn details(type_url: &str, delay: Option<(i64, i32)>) -> Vec<u8> {
        let retry_delay = delay.map(|(seconds, nanos)| Delay { seconds, nanos });
        let value = RetryInfo { retry_delay }.encode_to_vec();
        let debug = Any { type_url: "type.googleapis.com/google.rpc.DebugInfo".into(), value: vec![255; 9] };
        Status { details: vec![debug, Any { type_url: type_url.into(), value }] }.encode_to_vec()
    }

    fn encoded(seconds: i64, nanos: i32) -> String {
        BASE64.encode(details("type.googleapis.com/google.rpc.RetryInfo", Some((seconds, nanos))))
    }

    #[track_caller]
    fn check(lines: &[&str], expected: impl Into<Option<Duration>>) {
        let failed = HintedResponse::new(200).with("grpc-status", "8");
        let response = lines.iter().fold(failed, |response, line| response.with(DETAILS, line));
        let expected = expected.into().map(|delay| (RetryHint::After(delay), DETAILS));
        assert_eq!(response.hint(), expected, "{lines:?}");
    }

    /// The bytes on the wire for code 8, the message "slow down!", and a delay of 1.5 s.
    const ON_THE_WIRE: &str =
        "CAgSCnNsb3cgZG93biEaNgoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIKCggIARCAyrXuAQ==";

    #[test]
    fn a_delay_is_read_to_the_nanosecond() {
        check(&[&encoded(1, 500_000_000)], Duration::from_millis(1_500));
        check(&[&encoded(0, 1)], Duration::from_nanos(1));
        check(&[&encoded(0, 0)], Duration::ZERO);
        check(&[&encoded(315_576_000_000, 999_999_999)], Duration::new(MAX_DELAY_SECONDS, 999_999_999));
        check(&[ON_THE_WIRE], Duration::from_millis(1_500));
        let other_host = BASE64.encode(details("example.com/google.rpc.RetryInfo", Some((7, 0))));
        check(&[&other_host], Duration::from_secs(7));
    }

    #[test]
    fn padding_does_not_matter() {
        assert!(ON_THE_WIRE.ends_with('='));
        check(&[ON_THE_WIRE.trim_end_matches('=')], Duration::from_millis(1_500));
    }

    #[test]
    fn the_longest_of_several_delays_counts() {
        check(&[&encoded(1, 0), &encoded(3, 0), &encoded(2, 0)], Duration::from_secs(3));
        check(&[&format!("{}, {},!!!", encoded(1, 0), encoded(4, 0))], Duration::from_secs(4));
        check(&["!!!", &encoded(5, 0)], Duration::from_secs(5));
    }

    #[test]
    fn a_negative_delay_or_one_out_of_range_gives_no_hint() {
        for (seconds, nanos) in [
            (-1, 0),
            (0, -1),
            (1, -1),
            (0, 1_000_000_000),
            (315_576_000_001, 0),
            (i64::MAX, 0),
            (i64::MIN, i32::MIN),
        ] {
            check(&[&encoded(seconds, nanos)], None);
        }
    }

    #[test]
    fn any_other_value_gives_no_hint() {
        let other = BASE64.encode(details("type.googleapis.com/google.rpc.QuotaFailure", Some((1, 0))));
        let without = BASE64.encode(details("type.googleapis.com/google.rpc.RetryInfo", None));
        let cut = &encoded(1, 0)[..20];
        for value in ["", "=", "!!!", "AAAA", "_-_-", "CAgSCXNsb3cgZG93bg", cut, &other, &without] {
            check(&[value], None);
        }
    }

    /// The feature changes nothing for calls that are not gRPC.
    #[test]
    fn details_count_only_in_the_head_that_ends_a_call() {
        for status in [200, 429, 503] {
            let plain = HintedResponse::new(status).with(DETAILS, ON_THE_WIRE);
            assert_eq!(plain.hint(), None, "{status}");
            // The trailers of this call are still to come.
            assert_eq!(plain.with("content-type", "application/grpc").hint(), None, "{status}");
            let plain = HintedResponse::new(status).with(DETAILS, ON_THE_WIRE).with("retry-after", "7");
            assert_eq!(
                plain.hint(),
                Some((RetryHint::After(Duration::from_secs(7)), "retry-after")),
                "{status}"
            );
        }
    }

    #[test]
    fn a_pushback_outranks_it() {
        let response = HintedResponse::new(200)
            .with("grpc-status", "8")
            .with(DETAILS, &encoded(5, 0))
            .with(PUSHBACK, "7");
        assert_eq!(response.hint(), Some((RetryHint::After(Duration::from_millis(7)), PUSHBACK)));
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
