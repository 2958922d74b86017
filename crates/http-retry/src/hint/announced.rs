//! The quotas that a response announces, by name.

use std::str;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};

use super::family::{self, Moment};
use super::quota::{self, Remaining};
use super::{rate_limit, trim};
use crate::ResponseHead;

/// The unit that a quota counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Each request takes one.
    Requests,
    /// Each request takes its cost, for example its tokens.
    Units,
}

/// The meaning of a quota's reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    /// The quota refills all the time and is full at the reset (OpenAI, Anthropic).
    FullAgain,
    /// The quota is as it was at the last reset until it resets, and then it is full (IETF `RateLimit`, GitHub).
    WindowEnds,
}

/// The state of one quota, as a response announces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Announced {
    /// The hash of the quota's name, the same in each process.
    pub(crate) name: u64,
    /// The hash of the family, if its quotas are for different requests: one of them counts a request, and the request does
    /// not tell which. Every other quota counts all requests.
    pub(crate) alternatives: Option<u64>,
    pub(crate) unit: Unit,
    /// The size of the full quota, above 0.
    pub(crate) limit: Option<u64>,
    /// The rest, at most `limit`.
    pub(crate) remaining: u64,
    /// The unit to which the server rounds the rest. It rounds down to 1, and to the nearest of anything else.
    pub(crate) granule: u64,
    /// The time until the reset.
    pub(crate) reset: Duration,
    /// The time by which `reset` may be too long, because the server rounds it up.
    pub(crate) precision: Duration,
    /// `true` if the header is a date. Then `reset` counts from the moment at which the answer is read, and otherwise from
    /// the moment at which the server computed it.
    pub(crate) is_date: bool,
    pub(crate) means: Means,
}

impl Announced {
    /// Returns the announcement if its numbers make sense. `rest` is `None` if it cannot be read.
    pub(super) fn checked(self) -> Option<Self> {
        let remaining = self.limit.map_or(self.remaining, |limit| limit.min(self.remaining));
        let is_full = self.limit == Some(remaining);
        // Azure sends a reset of zero for quotas that it does not know.
        let has_reset = !self.reset.is_zero() || (is_full && self.means == Means::FullAgain);
        // Without a size only an empty quota says anything.
        let says_something = self.limit.map_or(remaining == 0, |limit| limit > 0);
        (has_reset && says_something).then_some(Self { remaining, ..self })
    }
}

/// Reads the quotas of all families of headers. It does not allocate if the response announces none.
pub(crate) fn read(head: &ResponseHead<'_>, now: SystemTime) -> Vec<Announced> {
    let mut quotas = Vec::new();
    for name in head.headers().keys().map(http::HeaderName::as_str) {
        if quotas.len() >= MAX_QUOTAS {
            break;
        }
        if name == "ratelimit" {
            rate_limit::announced(head, MAX_QUOTAS, &mut quotas);
        } else if let Some(kind) = name.strip_prefix("x-ratelimit-remaining-") {
            quotas.extend(open_ai(head.headers(), kind, now));
        } else if let Some(kind) = anthropic_kind(name) {
            quotas.extend(anthropic(head.headers(), kind, now));
        } else if let Some(prefix) =
            PREFIXES.iter().find(|prefix| name.strip_prefix(**prefix) == Some("-remaining"))
        {
            quotas.extend(plain(head, prefix, now));
        }
    }
    quotas.truncate(MAX_QUOTAS);
    quotas
}

/// Returns whether a header belongs to a family that announces quotas.
pub(crate) fn is_of_family(name: &str) -> bool {
    let has_rate = |name: &[u8]| name.windows(4).any(|part| part == b"rate");
    matches!(name.as_bytes().first(), Some(b'x' | b'r' | b'a'))
        && has_rate(name.as_bytes())
        && is_family(name)
}

/// Returns whether any family of headers says that nothing is left of a quota.
pub(crate) fn is_any_gone(head: &ResponseHead<'_>) -> bool {
    let is_gone = |name: &str| {
        (name == "ratelimit" && rate_limit::is_gone(head))
            || (family::is_remaining(name)
                && quota::remaining(head.headers(), name) == Some(Remaining::Nothing))
    };
    head.headers().keys().any(|name| is_gone(name.as_str()))
}

fn is_family(name: &str) -> bool {
    ["ratelimit", "rate-limit", "rate_limit"].iter().any(|family| name.contains(family))
}

/// Reads `x-ratelimit-{limit,remaining,reset}-KIND`, whose reset is a Go duration or a number of seconds.
fn open_ai(headers: &HeaderMap, kind: &str, now: SystemTime) -> Option<Announced> {
    let unit = match kind {
        "requests" => Unit::Requests,
        "tokens" => Unit::Units,
        _ => return None,
    };
    let limit = count(headers, &format!("x-ratelimit-limit-{kind}"));
    let Moment { delay: reset, is_date } = family::reset(&format!("x-ratelimit-reset-{kind}"), headers, now)?;
    let quota = Announced {
        name: hash(&["x-ratelimit-*", kind]),
        alternatives: None,
        unit,
        limit,
        remaining: count(headers, &format!("x-ratelimit-remaining-{kind}"))?,
        granule: 1,
        reset,
        precision: if is_date { date_precision(headers) } else { Duration::from_millis(1) },
        is_date,
        // Azure names some quotas without their size. They have no rate.
        means: if limit.is_some() { Means::FullAgain } else { Means::WindowEnds },
    };
    quota.checked()
}

/// Returns the kind of a quota in `anthropic-ratelimit-KIND-remaining`.
fn anthropic_kind(name: &str) -> Option<&str> {
    name.strip_prefix(ANTHROPIC)?.strip_suffix("-remaining")
}

/// Reads `anthropic-ratelimit-KIND-{limit,remaining,reset}`, whose reset is a date in whole seconds. Anthropic adds kinds
/// from time to time; all of them count tokens, except for the requests.
fn anthropic(headers: &HeaderMap, kind: &str, now: SystemTime) -> Option<Announced> {
    let unit = if kind == "requests" { Unit::Requests } else { Unit::Units };
    let limit = count(headers, &format!("{ANTHROPIC}{kind}-limit"));
    let quota = Announced {
        name: hash(&[ANTHROPIC, kind]),
        alternatives: None,
        unit,
        limit,
        remaining: count(headers, &format!("{ANTHROPIC}{kind}-remaining"))?,
        granule: if unit == Unit::Units { limit.map_or(1, token_granule) } else { 1 },
        reset: family::reset(&format!("{ANTHROPIC}{kind}-reset"), headers, now)?.delay,
        precision: date_precision(headers),
        is_date: true,
        means: if limit.is_some() { Means::FullAgain } else { Means::WindowEnds },
    };
    quota.checked()
}

/// Returns the unit to which Anthropic rounds tokens: to the nearest thousand, and small limits to a percent.
fn token_granule(limit: u64) -> u64 {
    let percent = (limit / 100).max(1);
    if limit >= 20_000 { percent.max(1_000) } else { percent }
}

/// Returns the time by which a date in whole seconds may be late: it is rounded up, and a `Date` header is rounded down.
fn date_precision(headers: &HeaderMap) -> Duration {
    Duration::from_secs(1 + u64::from(headers.contains_key(header::DATE)))
}

/// Reads `PREFIX-{limit,remaining,reset}` of draft-06 and of GitHub.
fn plain(head: &ResponseHead<'_>, prefix: &'static str, now: SystemTime) -> Option<Announced> {
    let headers = head.headers();
    // A server with one limit only may leave the name out.
    let resource = RESOURCES.iter().find_map(|name| headers.get(*name)?.to_str().ok()).unwrap_or_default();
    let Moment { delay, is_date } = family::reset(&format!("{prefix}-reset"), headers, now)?;
    let quota = Announced {
        name: hash(&[prefix, resource]),
        alternatives: (!resource.is_empty()).then(|| hash(&[prefix])),
        unit: Unit::Requests,
        limit: count(headers, &format!("{prefix}-limit")),
        remaining: count(headers, &format!("{prefix}-remaining"))?,
        granule: 1,
        reset: delay,
        precision: if is_date { date_precision(headers) } else { Duration::from_secs(1) },
        is_date,
        means: Means::WindowEnds,
    };
    quota.checked()
}

/// Returns the smallest number of a header's values, without its fraction (Reddit). In draft-06 parameters and further
/// policies may follow the number.
fn count(headers: &HeaderMap, name: &str) -> Option<u64> {
    let is_number = |number: &[u8]| !number.is_empty() && number.iter().all(u8::is_ascii_digit);
    let number = |value: &[u8]| {
        let mut parts = trim(value.split(|byte| *byte == b';').next()?).splitn(2, |byte| *byte == b'.');
        let number = parts.next().filter(|number| is_number(number))?;
        parts.next().is_none_or(is_number).then(|| str::from_utf8(number).ok()?.parse().ok())?
    };
    // Policies that follow the first value of a line are of other windows.
    headers
        .get_all(name)
        .iter()
        .filter_map(|line| number(trim(line.as_bytes().split(|byte| *byte == b',').next()?)))
        .min()
}

/// Returns the FNV-1a hash of a name. The hash is the same in each process, because a fleet shares it.
pub(super) fn hash(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0xff]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

const ANTHROPIC: &str = "anthropic-ratelimit-";
const PREFIXES: [&str; 2] = ["ratelimit", "x-ratelimit"];
/// The names of a limit that does not count all requests: those of GitHub, Discord, GitLab and EVE Online.
const RESOURCES: [&str; 4] =
    ["x-ratelimit-resource", "x-ratelimit-bucket", "ratelimit-name", "x-ratelimit-group"];
/// The server decides the number of quotas, and each costs memory.
const MAX_QUOTAS: usize = 8;
