//! The heads of answers.

use std::collections::HashMap;
use std::fmt::Display;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use super::limit::{Announced, QuotaState};
use crate::grid::Announces;

/// The hint of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Hint {
    /// `Retry-After`.
    Seconds(u64),
    /// `retry-after-ms`.
    Milliseconds(u64),
}

impl Hint {
    /// Creates the hint of exactly this delay: in seconds if they are whole, and otherwise in milliseconds, rounded up.
    pub(super) fn exactly(delay: Duration) -> Self {
        match delay.subsec_nanos() {
            0 => Self::Seconds(delay.as_secs()),
            _ => Self::Milliseconds(whole_milliseconds(delay)),
        }
    }

    /// Returns the delay.
    pub(super) fn delay(self) -> Duration {
        match self {
            Self::Seconds(seconds) => Duration::from_secs(seconds),
            Self::Milliseconds(millis) => Duration::from_millis(millis),
        }
    }

    fn header(self) -> (HeaderName, HeaderValue) {
        match self {
            Self::Seconds(seconds) => (header::RETRY_AFTER, seconds.into()),
            Self::Milliseconds(millis) => (RETRY_AFTER_MS.clone(), millis.into()),
        }
    }
}

/// Creates heads.
#[derive(Debug)]
pub(super) struct Heads {
    /// The wall clock at time 0.
    wall: SystemTime,
    /// The heads without announcements, because few differ and each call needs one.
    plain: HashMap<(u16, Option<Hint>), Rc<Response<()>>>,
}

impl Heads {
    /// Creates a source of heads whose wall clock shows `wall` at time 0.
    pub(super) fn new(wall: SystemTime) -> Self {
        Self { wall, plain: HashMap::new() }
    }

    /// Returns a head with a status and a hint.
    pub(super) fn plain(&mut self, status: u16, hint: Option<Hint>) -> Rc<Response<()>> {
        let head = self.plain.entry((status, hint)).or_insert_with(|| Rc::new(head(status, hint)));
        Rc::clone(head)
    }

    /// Creates a head that announces quotas too.
    pub(super) fn announcing(
        &self,
        status: u16,
        hint: Option<Hint>,
        form: Announces,
        quotas: Announced,
        now: Duration,
    ) -> Rc<Response<()>> {
        let mut head = head(status, hint);
        let headers = head.headers_mut();
        match form {
            Announces::Nothing => {}
            Announces::OpenAi => announce_open_ai(headers, &quotas),
            Announces::Anthropic => announce_anthropic(headers, &quotas, self.wall + now),
            Announces::Ietf => announce_ietf(headers, &quotas),
        }
        Rc::new(head)
    }
}

fn head(status: u16, hint: Option<Hint>) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::TOO_MANY_REQUESTS);
    response.headers_mut().extend(hint.map(Hint::header));
    response
}

fn announce_open_ai(headers: &mut HeaderMap, quotas: &Announced) {
    let names = [&OPEN_AI_REQUESTS, &OPEN_AI_TOKENS];
    for ([limit, remaining, reset], quota) in names.into_iter().zip([quotas.requests, quotas.units]) {
        let Some(quota) = quota else { continue };
        headers.insert(limit, quota.limit.into());
        headers.insert(remaining, quota.remaining.into());
        insert(headers, reset, format_args!("{}ms", whole_milliseconds(quota.until_full)));
    }
}

fn announce_anthropic(headers: &mut HeaderMap, quotas: &Announced, wall: SystemTime) {
    // Only the tokens are rounded, to the nearest percent of their limit.
    let rounded = |quota: QuotaState| {
        let unit = (quota.limit / 100).max(1);
        QuotaState { remaining: (quota.remaining + unit / 2) / unit * unit, ..quota }
    };
    let names = [&ANTHROPIC_REQUESTS, &ANTHROPIC_TOKENS];
    for ([limit, remaining, reset], quota) in
        names.into_iter().zip([quotas.requests, quotas.units.map(rounded)])
    {
        let Some(quota) = quota else { continue };
        headers.insert(limit, quota.limit.into());
        headers.insert(remaining, quota.remaining.into());
        let full_at = (wall + quota.until_full).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(whole_seconds(full_at)).unwrap_or(i64::MAX);
        insert(headers, reset, jiff::Timestamp::from_second(seconds).unwrap_or_default());
    }
}

fn announce_ietf(headers: &mut HeaderMap, quotas: &Announced) {
    for (name, quota) in [("requests", quotas.requests), ("units", quotas.units)] {
        let Some(quota) = quota else { continue };
        let reset = if quota.remaining == 0 { quota.until_next } else { quota.until_full };
        let limit = format!(r#""{name}";r={};t={}"#, quota.remaining, whole_seconds(reset));
        let policy = format!(r#""{name}";q={};w={}"#, quota.limit, whole_seconds(quota.window));
        // Each quota has a line of its own in both lists.
        for (header, value) in [(&RATE_LIMIT, limit), (&RATE_LIMIT_POLICY, policy)] {
            headers.extend(HeaderValue::try_from(value).ok().map(|value| (header.clone(), value)));
        }
    }
}

fn insert(headers: &mut HeaderMap, name: &HeaderName, value: impl Display) {
    if let Ok(value) = HeaderValue::try_from(value.to_string()) {
        headers.insert(name, value);
    }
}

/// Returns the time in seconds, rounded up.
pub(super) fn whole_seconds(time: Duration) -> u64 {
    time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0))
}

/// Returns the time in milliseconds, rounded up.
pub(super) fn whole_milliseconds(time: Duration) -> u64 {
    time.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(u64::MAX)
}

static RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
static RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
static RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
static OPEN_AI_REQUESTS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];
static OPEN_AI_TOKENS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];
static ANTHROPIC_REQUESTS: [HeaderName; 3] = [
    HeaderName::from_static("anthropic-ratelimit-requests-limit"),
    HeaderName::from_static("anthropic-ratelimit-requests-remaining"),
    HeaderName::from_static("anthropic-ratelimit-requests-reset"),
];
static ANTHROPIC_TOKENS: [HeaderName; 3] = [
    HeaderName::from_static("anthropic-ratelimit-input-tokens-limit"),
    HeaderName::from_static("anthropic-ratelimit-input-tokens-remaining"),
    HeaderName::from_static("anthropic-ratelimit-input-tokens-reset"),
];
