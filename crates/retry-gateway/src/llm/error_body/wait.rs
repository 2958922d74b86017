//! The waits that errors name in JSON.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::llm::error_words::BEFORE_WAIT;

/// Parses a number of seconds, rounded up to a millisecond.
pub(super) fn seconds(text: &str) -> Option<Duration> {
    in_unit(text, 1_000.0)
}

/// Parses a number of milliseconds, rounded up.
pub(super) fn milliseconds(text: &str) -> Option<Duration> {
    in_unit(text, 1.0)
}

/// Parses a duration of protobuf's JSON, such as `34s` or `45.837s`.
pub(super) fn protobuf(text: &str) -> Option<Duration> {
    seconds(text.strip_suffix('s')?)
}

/// Parses an epoch in milliseconds, or in seconds if it is too small for that, and returns the time until then.
pub(super) fn until_epoch(text: &str, now: SystemTime) -> Option<Duration> {
    let number: u64 = text.parse().ok()?;
    let epoch =
        if number > MAX_EPOCH_SECONDS { Duration::from_millis(number) } else { Duration::from_secs(number) };
    UNIX_EPOCH.checked_add(epoch)?.duration_since(now).ok()
}

/// Finds the longest wait in a message, behind one of a few words in any case: `Try again in 1m2.6s`.
pub(super) fn in_message(message: &str) -> Option<Duration> {
    let message = message.to_ascii_lowercase();
    let ends = BEFORE_WAIT.iter().flat_map(|words| message.split(words).skip(1));
    ends.filter_map(|text| duration(text.trim_start_matches('~'))).max()
}

/// Parses numbers with units, up to the first text that is not one: `1m2.6s`, `174ms`, `20 seconds`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let (mut rest, mut sum) = (text, None::<Duration>);
    loop {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(number_end);
        let after = after.trim_start_matches(' ');
        let unit_end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let Some(part) = millis_of(unit).and_then(|millis| in_unit(number, millis)) else { return sum };
        sum = Some(sum.unwrap_or_default().saturating_add(part));
        rest = after;
    }
}

fn millis_of(unit: &str) -> Option<f64> {
    Some(match unit {
        "ms" | "millisecond" | "milliseconds" => 1.0,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000.0,
        "h" | "hr" | "hour" | "hours" => 3_600_000.0,
        "d" | "day" | "days" => 86_400_000.0,
        _ => return None,
    })
}

/// Converts a number of a unit of so many milliseconds. Signs and exponents are refused, as in headers.
fn in_unit(number: &str, millis: f64) -> Option<Duration> {
    let is_number = number.starts_with(|c: char| c.is_ascii_digit())
        && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = is_number.then(|| number.parse().ok())??;
    // A conversion of a number that is too large saturates.
    Some(Duration::from_millis((number * millis).ceil() as u64))
}

/// The largest number that is an epoch in seconds.
const MAX_EPOCH_SECONDS: u64 = 1_000_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: &str, expected_ms: impl Into<Option<u64>>) {
        assert_eq!(in_message(message), expected_ms.into().map(Duration::from_millis), "{message}");
    }

    #[test]
    fn a_wait_stands_behind_a_few_words() {
        check("Rate limit reached for gpt-4o. Please try again in 1m2.6s. Visit https://x", 62_600);
        check("Please try again in 174ms. Contact", 174);
        check("You exceeded your current quota. Please retry in 45.837s.", 45_837);
        check("Please retry after 20 seconds.", 20_000);
        check("Rate limit reached. Try again in 2.5 seconds.", 2_500);
        check("Retry after 3 Seconds", 3_000);
        check("RETRY IN 3S", 3_000);
        check("Do not try again in a moment. Try again in 2s, or retry after 1s.", 2_000);
        check("try again in 6m0s", 360_000);
        check("try again in 1h2m3s", 3_723_000);
        check("try again in 7.66 s", 7_660);
        check("Please wait 36000 seconds before retrying.", 36_000_000);
        check("Request was throttled. Expected available in 12 seconds.", 12_000);
        check("Your rate limit resets in ~5s.", 5_000);
        check("150 requests within a 10 second period, and have been timed out for 60 seconds.", 60_000);
        for message in
            ["", "try again", "try again in a moment", "try again in 5", "wait for 5s", "try again in -5s"]
        {
            check(message, None);
        }
        check(&format!("try again in {}s", "9".repeat(400)), u64::MAX);
    }

    #[test]
    fn numbers_are_rounded_up_and_have_no_sign() {
        let ms = |millis| Some(Duration::from_millis(millis));
        assert_eq!((seconds("3"), seconds("0.0001"), milliseconds("7.2")), (ms(3_000), ms(1), ms(8)));
        assert_eq!((protobuf("34s"), protobuf("45.837s"), protobuf("34")), (ms(34_000), ms(45_837), None));
        for text in ["", "-1", "1e3", "inf", ".", "1.2.3"] {
            assert_eq!((seconds(text), protobuf(&format!("{text}s"))), (None, None), "{text}");
        }
        let now = UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        assert_eq!(until_epoch("1767225603000", now), ms(3_000));
        assert_eq!(until_epoch("1767225603", now), ms(3_000));
        assert_eq!(until_epoch("1767225599", now), None);
    }
}
