//! The keys of `[routes.retry]`.

use std::time::Duration;

use http::StatusCode;
use tower_http_retry::policy::Jitter;

use crate::config::error::Wrong;
use crate::config::keywords::{Growth, NOT_HERE, Trigger, Word, list, nearest};
use crate::config::profile::Profile;
use crate::config::reader::{Table, Value};
use crate::config::retry::{AfterHint, BackOff, BackOffPolicy, ErrorBodyDrain, Retry, RetryMethods, RetryOn};
use crate::config::root::Buffers;
use crate::config::{parse_http, value};

/// What else is known of the route.
pub(super) struct Terms<'a> {
    pub(super) profile: Profile,
    pub(super) paced: bool,
    pub(super) timeout: Duration,
    pub(super) buffers: &'a Buffers,
}

/// `None` where it is switched off.
pub(super) fn read(route: &mut Table<'_>, terms: &Terms<'_>) -> Option<Retry> {
    let mut default = terms.profile.retry(terms.paced);
    // What nobody said must not contradict what somebody did.
    default.per_try_timeout = default.per_try_timeout.map(|time| time.min(terms.timeout));
    default.request_body_buffer_limit = default.request_body_buffer_limit.min(terms.buffers.total);
    let Some(value) = route.value("retry") else { return Some(default) };
    match value.boolean() {
        Some(is_on) => is_on.then_some(default),
        None => Some(keys(value.table("a table, or false")?, default, terms)),
    }
}

fn keys(mut table: Table<'_>, default: Retry, terms: &Terms<'_>) -> Retry {
    let retry = Retry {
        retry_on: retry_on(&mut table, default.retry_on),
        methods: methods(&mut table).unwrap_or(default.methods),
        trust_idempotency_key: table
            .read("trust_idempotency_key", value::boolean)
            .unwrap_or(default.trust_idempotency_key),
        num_retries: table.read("num_retries", value::whole(0..=20)).unwrap_or(default.num_retries),
        per_try_timeout: per_try_timeout(&mut table, default.per_try_timeout, terms.timeout),
        back_off: back_off(&mut table, default.back_off),
        rate_limited_back_off: after_hint(&mut table, default.rate_limited_back_off),
        host_selection: table.read("host_selection", value::word).unwrap_or(default.host_selection),
        request_body_buffer_limit: buffer_limit(&mut table, default.request_body_buffer_limit, terms.buffers),
        error_body_drain: error_body_drain(&mut table, default.error_body_drain),
        nested: table.read("nested", value::word).unwrap_or(default.nested),
        attempt_header: attempt_header(&mut table, default.attempt_header),
        explain_header: table.read("explain_header", value::boolean).unwrap_or(default.explain_header),
        peek_quota: table.read("peek_quota", value::boolean).unwrap_or(default.peek_quota),
        hold_event_stream: hold_event_stream(&mut table, default.hold_event_stream),
        mint_idempotency_key: table
            .read("mint_idempotency_key", value::boolean)
            .unwrap_or(default.mint_idempotency_key),
    };
    table.finish();
    retry
}

fn retry_on(table: &mut Table<'_>, default: RetryOn) -> RetryOn {
    let words = table.value("retry_on").and_then(|value| value.items("a list of words"));
    let mut retry_on = match words {
        Some(words) => {
            let mut retry_on = RetryOn::default();
            for word in words {
                word.read(|value| retry_on.add(value::text(value, &triggers())?));
            }
            retry_on
        }
        None => default,
    };
    // They count with or without Envoy's "retriable-status-codes": who lists them means them.
    let statuses =
        table.value("retriable_status_codes").and_then(|value| value.items("a list such as [500]"));
    let statuses = statuses.into_iter().flatten();
    retry_on.statuses.extend(statuses.filter_map(|status| status.read(parse_http::status)));
    retry_on
}

impl RetryOn {
    fn add(&mut self, given: &str) -> Result<(), Wrong> {
        let trigger = Trigger::WORDS.iter().find(|(word, _)| *word == given);
        match trigger.map(|(_, trigger)| *trigger) {
            Some(trigger) => self.add_trigger(trigger),
            None if given.len() == 3 && given.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.statuses.insert(parse_http::status_of(given)?);
            }
            None if NOT_HERE.contains(&given) => {
                return Err(Wrong::new("a word of Envoy's that is not supported").allowed(triggers()));
            }
            None => {
                let near = nearest(given, Trigger::WORDS.iter().map(|(word, _)| *word));
                return Err(Wrong::new("unknown word").allowed(triggers()).nearest(near));
            }
        }
        Ok(())
    }

    fn add_trigger(&mut self, trigger: Trigger) {
        match trigger {
            Trigger::ConnectFailure => self.connect_failure = true,
            Trigger::RefusedStream => self.refused_stream = true,
            Trigger::Reset => self.reset = true,
            Trigger::PerTryTimeout => self.per_try_timeout = true,
            Trigger::GatewayError => self.add_statuses(502..=504),
            // As Envoy's, which counts no answer at all among them.
            Trigger::ServerError => {
                self.add_statuses(500..=599);
                self.connect_failure = true;
                self.refused_stream = true;
                self.reset = true;
                self.per_try_timeout = true;
            }
            // As Envoy's, which means this one alone.
            Trigger::RetriableClientError => self.add_statuses(409..=409),
            // The statuses come from their own key.
            Trigger::RetriableStatusCodes => {}
        }
    }

    fn add_statuses(&mut self, codes: impl Iterator<Item = u16>) {
        self.statuses.extend(codes.filter_map(|code| StatusCode::from_u16(code).ok()));
    }
}

fn triggers() -> String {
    format!("{}, a status such as \"429\"", list::<Trigger>())
}

fn methods(table: &mut Table<'_>) -> Option<RetryMethods> {
    let value = table.value("methods")?;
    let allowed = "idempotent, all, or a list such as [\"GET\", \"POST\"]";
    if !value.is_list() {
        return value.read(|value| match value::text(value, allowed)? {
            "idempotent" => Ok(RetryMethods::Idempotent),
            "all" => Ok(RetryMethods::All),
            given => Err(Wrong::new("unknown word")
                .allowed(allowed)
                .nearest(nearest(given, ["idempotent", "all"]))),
        });
    }
    let items = value.items(allowed)?;
    if items.is_empty() {
        table.blame("methods", Wrong::new("empty").allowed(format!("{allowed}; retry = false for none")));
    }
    Some(RetryMethods::Listed(items.into_iter().filter_map(|item| item.read(parse_http::method)).collect()))
}

fn per_try_timeout(table: &mut Table<'_>, default: Option<Duration>, timeout: Duration) -> Option<Duration> {
    let Some(value) = table.value("per_try_timeout") else { return default };
    if value.boolean() == Some(false) {
        return None;
    }
    value.read(|value| match value::duration(value)? {
        time if time > timeout => Err(Wrong::new("longer than the timeout of the route")
            .allowed(format!("up to {timeout:?}, or false"))),
        time => Ok(time),
    })
}

fn hold_event_stream(table: &mut Table<'_>, default: Option<Duration>) -> Option<Duration> {
    let Some(value) = table.value("hold_event_stream") else { return default };
    match value.boolean() {
        Some(false) => None,
        _ => value.read(value::duration),
    }
}

fn back_off(table: &mut Table<'_>, default: BackOff) -> BackOff {
    let allowed =
        "{ policy = \"exponential\", base_interval = \"25ms\", max_interval = \"250ms\", jitter = \"full\" }";
    let Some(mut table) = table.value("back_off").and_then(|value| value.table(allowed)) else {
        return default;
    };
    let growth = table.read("policy", value::word);
    let base = table.read("base_interval", value::duration);
    let max = table.read("max_interval", value::duration);
    let jitter: Option<Jitter> = table.read("jitter", value::word);

    let policy = match growth {
        Some(Growth::Decorrelated) => {
            if jitter.is_some_and(|jitter| jitter != Jitter::Full) {
                let what = "means nothing to the policy \"decorrelated\", which has its own";
                table.blame("jitter", Wrong::new(what).allowed("full"));
            }
            BackOffPolicy::Decorrelated
        }
        _ => jitter.map_or(default.policy, BackOffPolicy::ExponentialBackoff),
    };
    if let (Some(base), Some(max)) = (base, max)
        && base > max
    {
        table.blame("base_interval", Wrong::new("above max_interval").allowed(format!("up to {max:?}")));
    }
    table.finish();
    BackOff {
        policy,
        base_interval: base
            .unwrap_or_else(|| max.map_or(default.base_interval, |max| max.min(default.base_interval))),
        // Envoy's rule where only the base was named; with the default base it is the default.
        max_interval: max
            .unwrap_or_else(|| base.map_or(default.max_interval, |base| base.saturating_mul(10))),
    }
}

fn after_hint(table: &mut Table<'_>, default: AfterHint) -> AfterHint {
    let allowed = "{ max_interval = \"10s\", on_exceed = \"return\", spread = 1.0 }";
    let value = table.value("rate_limited_back_off");
    let Some(mut table) = value.and_then(|value| value.table(allowed)) else { return default };
    let after = AfterHint {
        max_interval: table.read("max_interval", value::duration_or_zero).unwrap_or(default.max_interval),
        on_exceed: table.read("on_exceed", value::word).unwrap_or(default.on_exceed),
        spread: table.read("spread", value::share).unwrap_or(default.spread),
    };
    table.finish();
    after
}

fn buffer_limit(table: &mut Table<'_>, default: usize, buffers: &Buffers) -> usize {
    let limit = table.read("request_body_buffer_limit", |value| match value::size(value)? {
        limit if limit > buffers.total => Err(Wrong::new("more than all requests together may keep")
            .allowed(format!("up to {}", buffers.total))),
        limit => Ok(limit),
    });
    limit.unwrap_or(default)
}

fn error_body_drain(table: &mut Table<'_>, default: ErrorBodyDrain) -> ErrorBodyDrain {
    let value = table.value("error_body_drain");
    let Some(mut table) = value.and_then(|value| value.table("{ bytes = \"16KiB\", time = \"10ms\" }"))
    else {
        return default;
    };
    let drain = ErrorBodyDrain {
        bytes: table.read("bytes", value::size).unwrap_or(default.bytes),
        time: table.read("time", value::duration_or_zero).unwrap_or(default.time),
    };
    table.finish();
    drain
}

fn attempt_header(table: &mut Table<'_>, default: Option<http::HeaderName>) -> Option<http::HeaderName> {
    let Some(value) = table.value("attempt_header") else { return default };
    match value.boolean() {
        Some(false) => None,
        _ => Value::read(value, parse_http::attempt_header),
    }
}
