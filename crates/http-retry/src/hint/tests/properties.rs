//! Properties that hold for every response.

use proptest::prelude::*;
use rand::{SeedableRng, rngs::SmallRng};

use super::*;
use crate::{Attempt, ClockReading, Decision, RetryAfterFirst, Session};

/// Every header that a hint depends on, except [`PUSHBACK`], which would outrank all others, and [`REMAINING`].
const HINT_HEADERS: &[&str] = &[
    "anthropic-ratelimit-requests-reset",
    "anthropic-ratelimit-tokens-reset",
    "beta-retry-after",
    "date",
    "ratelimit",
    "ratelimit-policy",
    "ratelimit-reset",
    "retry-after",
    "retry-after-ms",
    "x-amz-retry-after",
    "x-ms-retry-after-ms",
    "x-ratelimit-reset",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
    "x-ratelimit-retry-after",
    "x-rate-limit-reset",
    "x-ratelimit-next",
    "x-ratelimit-reset-ms",
    "x-ratelimit-reset-tokens-minute",
    "zendesk-ratelimit-tickets",
];

/// The headers with the rest of a quota.
const REMAINING: &[&str] = &[
    "anthropic-ratelimit-requests-remaining",
    "anthropic-ratelimit-tokens-remaining",
    "ratelimit-remaining",
    "x-ratelimit-remaining",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-remaining-tokens-minute",
    "x-rate-limit-remaining",
];

/// Any bytes that a header may have, and values that are almost valid.
fn value() -> impl Strategy<Value = HeaderValue> {
    let byte = prop_oneof![1 => Just(b'\t'), 20 => b' '..=b'~', 10 => 0x80..=0xff_u8];
    let bytes = prop::collection::vec(byte, 0..40);
    let likely = "-?[0-9]{1,40}(\\.[0-9]{0,30})?\
        |([0-9]{0,30}\\.?[0-9]{0,20}(h|m|s|ms|us|ns|µs)){1,4}\
        |[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,12})?(Z|[+-][0-2][0-9]:[0-6][0-9])\
        |(Sun|Mon|Thu), [0-3][0-9] (Jan|Feb|Dec) [0-9]{4} [0-2][0-9]:[0-6][0-9]:[0-6][0-9] GMT\
        |(Sunday|Monday|Thursday), [0-3][0-9]-(Jan|Feb|Dec)-[0-9]{2} [0-2][0-9]:[0-6][0-9]:[0-6][0-9] GMT\
        |total=9; remaining=[0-9]; resets=[0-9]{1,12}\
        |[0-9]{1,3}(, ?([0-9]{1,3}|soon)){1,3}\
        |(Sun|Thu), [0-9] (Jan|Feb) [0-9]{4} [0-2][0-9]:[0-6][0-9]:[0-6][0-9] ([+-][0-2][0-9]{3}|UT|EST)\
        |(\"a\"|a|\\(a b\\))(;(r|t|w|q)=-?[0-9]{1,16}(\\.[0-9])?){0,3}(, \"a\";r=0(;t=[0-9]{1,15})?)?";
    let likely = likely.prop_map(String::into_bytes);
    prop_oneof![1 => bytes, 2 => likely].prop_map(|bytes| HeaderValue::from_bytes(&bytes).unwrap())
}

/// Either a few headers, so that those of lower rank count, or many of them. Most quotas are used up.
fn headers() -> impl Strategy<Value = HeaderMap> {
    let line = prop_oneof![
        1 => (Just(PUSHBACK), value()),
        30 => (prop::sample::select(HINT_HEADERS), value()),
    ];
    let remaining = prop_oneof![3 => Just(HeaderValue::from_static("0")), 1 => value()];
    let remaining = (prop::sample::select(REMAINING), remaining);
    let lines =
        prop_oneof![3 => prop::collection::vec(line.clone(), 0..5), 1 => prop::collection::vec(line, 0..24)];
    (lines, prop::collection::vec(remaining, 0..8)).prop_map(|(lines, remaining)| {
        let mut headers = HeaderMap::new();
        for (name, value) in lines.into_iter().chain(remaining) {
            headers.append(name, value);
        }
        headers
    })
}

/// Times before the epoch and after the end of the calendar are among them.
fn wall() -> impl Strategy<Value = SystemTime> {
    let seconds = prop_oneof![0..4_000_000_000_u64, 0..1_u64 << 40];
    (seconds, 0..1_000_000_000_u32, any::<bool>()).prop_map(|(seconds, nanos, is_after)| {
        let distance = Duration::new(seconds, nanos);
        let time = match is_after {
            true => SystemTime::UNIX_EPOCH.checked_add(distance),
            false => SystemTime::UNIX_EPOCH.checked_sub(distance),
        };
        time.unwrap_or(SystemTime::UNIX_EPOCH)
    })
}

proptest! {
    #[test]
    fn no_header_makes_a_session_panic_or_overflow(
        headers in headers(),
        status in prop::sample::select(vec![200, 403, 413, 429, 500, 503]),
        wall in wall(),
        monotonic in any::<Duration>(),
        max_elapsed in any::<Option<Duration>>(),
    ) {
        let mut response = HintedResponse::new(status);
        *response.0.headers_mut() = headers;
        let head = ResponseHead::from(&response.0);
        let hint = RetryHint::read(&head, wall);

        let request = http::Request::new(());
        let attempt = Attempt::new(1, &request, head);
        let policy = RetryAfterFirst::default().longest(Duration::MAX);
        let mut session = Session::new().max_elapsed(max_elapsed).started(monotonic);
        let clock = || ClockReading::new(monotonic, wall);
        let decision = session.decide(&policy, &attempt, None, clock, &mut SmallRng::seed_from_u64(1));
        if let Decision::Wait(delay) = decision {
            prop_assert_ne!(hint, Some(RetryHint::Never));
            prop_assert!(hint.and_then(RetryHint::delay).unwrap_or_default() <= delay);
            prop_assert!(max_elapsed.is_none_or(|max_elapsed| delay <= max_elapsed));
            session.resend();
            prop_assert_eq!(session.waited(), delay);
        }
    }

    /// Joined lines are no earlier than any of them, in any order.
    #[test]
    fn a_joined_line_is_as_late_as_the_latest_of_its_values(
        values in prop::collection::vec(0..2_000_000_000_u32, 1..5),
        name in prop::sample::select(vec!["retry-after", "retry-after-ms", "x-ratelimit-reset", "x-rate-limit-reset-ms"]),
        wall in wall(),
    ) {
        let read = |value: &str| {
            let response = HintedResponse::default().with(name, value);
            RetryHint::read(&ResponseHead::from(&response.0), wall).and_then(RetryHint::delay)
        };
        let joined: Vec<_> = values.iter().map(u32::to_string).collect();
        let longest = joined.iter().filter_map(|value| read(value)).max();
        prop_assert_eq!(read(&joined.join(", ")), longest);
    }

    /// A hint is never earlier than what any used-up quota announces. No kind is a word of time, such as `at`.
    #[test]
    fn a_hint_is_as_late_as_the_latest_reset_of_a_used_up_quota(
        resets in prop::collection::vec(("k[a-z]{0,7}", 1..900_000_u32, any::<bool>(), 0..4_u8), 1..8),
        status in prop::sample::select(vec![200, 403, 429, 503]),
    ) {
        let mut response = HintedResponse::new(status);
        let mut longest = None;
        for (kind, seconds, is_gone, form) in &resets {
            let value = match form {
                0 => seconds.to_string(),
                1 => format!("{seconds}s"),
                2 => (NEW_YEAR.as_secs() + u64::from(*seconds)).to_string(),
                _ => (NEW_YEAR.as_millis() + 1_000 * u128::from(*seconds)).to_string(),
            };
            let name = |word| format!("x-rate-limit-{word}-{kind}");
            if response.0.headers().contains_key(name("reset")) {
                continue;
            }
            response = response.with(&name("reset"), &value);
            response = response.with(&name("remaining"), if *is_gone { "0" } else { "5" });
            longest = longest.max(is_gone.then_some(Duration::from_secs(u64::from(*seconds))));
        }
        prop_assert_eq!(response.hint().and_then(|(hint, _)| hint.delay()), longest);
    }

    /// A parsed delay is rounded to whole milliseconds, and saturates at `u64::MAX` of them.
    #[test]
    fn every_delay_is_whole_milliseconds(headers in headers(), wall in wall()) {
        let mut response = HintedResponse::default();
        *response.0.headers_mut() = headers;
        if let Some(RetryHint::After(delay)) = RetryHint::read(&ResponseHead::from(&response.0), wall) {
            prop_assert!(delay <= Duration::from_millis(u64::MAX));
            prop_assert_eq!(delay.subsec_nanos() % 1_000_000, 0);
        }
    }
}
