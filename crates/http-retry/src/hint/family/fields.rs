//! Headers that have all of a quota in one value, as Zendesk's `total=100; remaining=0; resets=55`.

use std::time::{Duration, SystemTime};

use http::HeaderMap;

use super::name;
use super::value::{self, Numbers};
use crate::hint::number::{self, TimeUnit};

/// Returns the longest wait among the used-up quotas of such headers.
pub(super) fn longest(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let is_candidate =
        |name: &str| name::is_of_limit(name) && name != "ratelimit" && name != "ratelimit-policy";
    let lines = headers.iter().filter(|(name, _)| is_candidate(name.as_str()));
    lines.filter_map(|(_, line)| wait(line.as_bytes(), Numbers::SecondsOrEpoch, headers, now)).max()
}

/// Returns the longest wait among the used-up quotas of a header that is a dictionary, such as `RateLimit` of an earlier draft.
/// Its numbers are seconds.
pub(in crate::hint) fn longest_of_dictionary(
    headers: &HeaderMap,
    name: &str,
    now: SystemTime,
) -> Option<Duration> {
    let joined = joined(headers, name);
    longest_of(quotas(&joined, DICTIONARY), Numbers::Seconds, headers, now)
}

/// Returns whether a quota of a header that is a dictionary is used up.
pub(in crate::hint) fn is_any_gone(headers: &HeaderMap, name: &str) -> bool {
    quotas(&joined(headers, name), DICTIONARY).iter().any(|quota| quota.is_gone)
}

/// Returns the lines of a header as one line, which means the same (RFC 9110 section 5.3).
fn joined(headers: &HeaderMap, name: &str) -> Vec<u8> {
    let lines: Vec<_> = headers.get_all(name).iter().map(|line| line.as_bytes()).collect();
    lines.join(&b", "[..])
}

/// Returns the longest wait for the used-up quotas of one line, which is not zero.
fn wait(line: &[u8], numbers: Numbers, headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    if !line.iter().any(|byte| matches!(byte, b'=' | b':')) {
        return None;
    }
    longest_of(quotas(line, ALL), numbers, headers, now)
}

fn longest_of(
    quotas: Vec<Quota<'_>>,
    numbers: Numbers,
    headers: &HeaderMap,
    now: SystemTime,
) -> Option<Duration> {
    let resets = quotas.iter().filter(|quota| quota.is_gone).filter_map(|quota| quota.reset);
    let waits = resets.filter_map(|reset| value::moment(reset, numbers, headers, now));
    waits.map(|moment| moment.delay).filter(|wait| !wait.is_zero()).max()
}

/// The keys of the fields that are read.
#[derive(Clone, Copy)]
struct Keys {
    rest: &'static [&'static [u8]],
    reset: &'static [&'static [u8]],
}

const ALL: Keys = Keys { rest: &[b"remaining", b"r"], reset: &[b"reset", b"resets", b"until", b"t"] };
/// The keys of a dictionary. The short ones are those of a list, which is either well-formed or says nothing.
const DICTIONARY: Keys = Keys { rest: &[b"remaining"], reset: &[b"reset"] };

/// One quota of a line.
#[derive(Clone, Copy, Debug, Default)]
struct Quota<'h> {
    /// `true` if nothing is left of it, `false` if something is, or if no field says so.
    is_gone: bool,
    has_rest: bool,
    reset: Option<&'h [u8]>,
}

/// Finds the quotas of a line. The fields of a quota stand together, and a field that comes again belongs to the next one: a
/// proxy may have joined the lines of several quotas.
fn quotas<'h>(line: &'h [u8], keys: Keys) -> Vec<Quota<'h>> {
    let mut quotas = vec![Quota::default()];
    for field in line.split(|byte| matches!(byte, b';' | b',')) {
        let Some(equals) = field.iter().position(|byte| matches!(byte, b'=' | b':')) else { continue };
        let value = bare(&field[equals + 1..]);
        let mut quota = quotas.pop().unwrap_or_default();
        match bare(&field[..equals]) {
            key if keys.rest.contains(&key) => {
                if quota.has_rest {
                    quotas.push(std::mem::take(&mut quota));
                }
                quota.has_rest = true;
                quota.is_gone = number::parse(value, TimeUnit::Seconds).is_some_and(|rest| rest.is_zero());
            }
            key if keys.reset.contains(&key) => {
                if quota.reset.is_some() {
                    quotas.push(std::mem::take(&mut quota));
                }
                quota.reset = Some(value);
            }
            _ => {}
        }
        quotas.push(quota);
    }
    quotas
}

/// Removes white space, and the braces and quotes of JSON, in which Trakt writes its quota.
fn bare(text: &[u8]) -> &[u8] {
    let is_bare = |byte: &u8| !matches!(byte, b' ' | b'\t' | b'"' | b'{' | b'}');
    let start = text.iter().position(is_bare).unwrap_or(text.len());
    let end = text.iter().rposition(is_bare).map_or(start, |last| last + 1);
    &text[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected_seconds: impl Into<Option<u64>>) {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        assert_eq!(
            wait(line.as_bytes(), Numbers::SecondsOrEpoch, &HeaderMap::new(), now),
            expected_seconds.into().map(Duration::from_secs),
            "{line}"
        );
    }

    #[test]
    fn a_used_up_quota_has_a_wait() {
        check("total=100; remaining=0; resets=55", 55);
        check("limit=100, remaining=0, reset=5", 5);
        check("b=per_hour;q=100;r=0;t=7, b=per_day;q=900;r=0;t=70, b=x;r=1;t=900", 70);
        check("limit=100, remaining=0, reset=1767225630", 30);
        check("limit=100, remaining=0, reset=5, limit=900, remaining=3, reset=60", 5);
        check("reset=60, remaining=3, reset=5, remaining=0, reset=7", 5);
        check("total=100; remaining=99; resets=55", None);
        for line in [
            "",
            "100",
            "remaining=0",
            "reset=5",
            "=;=,=",
            "remaining=0;reset=soon",
            "remaining = 0; reset == 5",
        ] {
            check(line, None);
        }
    }
}
