//! The keys of `[routes.retry]`.

use std::time::Duration;

use http::StatusCode;
use tower_http_retry::policy::Jitter;

use crate::config::error::Invalid;
use crate::config::keywords::{BackOffKind, Keyword, RetryTrigger, UNSUPPORTED_TRIGGERS, list, nearest};
use crate::config::profile::Profile;
use crate::config::reader::{Table, Value};
use crate::config::retry::{
    BackOff, BackOffPolicy, ErrorBodyDrain, RateLimitedBackOff, RetriableHeader, RetryConfig, RetryMethods,
    RetryOn,
};
use crate::config::root::Buffers;
use crate::config::{parse_http, value};

/// The settings of the route that the defaults of its retries depend on.
pub(super) struct RouteContext<'a> {
    pub(super) profile: Profile,
    pub(super) paced: bool,
    pub(super) timeout: Duration,
    pub(super) buffers: &'a Buffers,
}

/// Parses the retry settings of a route; `None` where they are switched off.
pub(super) fn parse(route: &mut Table<'_>, context: &RouteContext<'_>) -> Option<RetryConfig> {
    let mut default = context.profile.retry(context.paced);
    // A default must not contradict a key that is in the file.
    default.per_try_timeout = default.per_try_timeout.map(|time| time.min(context.timeout));
    default.request_body_buffer_limit = default.request_body_buffer_limit.min(context.buffers.total);
    let Some(value) = route.value("retry") else { return Some(default) };
    match value.boolean() {
        Some(is_on) => is_on.then_some(default),
        None => Some(keys(value.table("a table, or false")?, default, context)),
    }
}

fn keys(mut table: Table<'_>, default: RetryConfig, context: &RouteContext<'_>) -> RetryConfig {
    let retry = RetryConfig {
        retry_on: retry_on(&mut table, default.retry_on),
        methods: methods(&mut table).unwrap_or(default.methods),
        trust_idempotency_key: table
            .parse("trust_idempotency_key", value::boolean)
            .unwrap_or(default.trust_idempotency_key),
        num_retries: table.parse("num_retries", value::whole(0..=20)).unwrap_or(default.num_retries),
        per_try_timeout: per_try_timeout(&mut table, default.per_try_timeout, context.timeout),
        back_off: back_off(&mut table, default.back_off),
        rate_limited_back_off: rate_limited_back_off(&mut table, default.rate_limited_back_off),
        host_selection: table.parse("host_selection", value::keyword).unwrap_or(default.host_selection),
        request_body_buffer_limit: buffer_limit(
            &mut table,
            default.request_body_buffer_limit,
            context.buffers,
        ),
        error_body_drain: error_body_drain(&mut table, default.error_body_drain),
        nested: table.parse("nested", value::keyword).unwrap_or(default.nested),
        attempt_header: attempt_header(&mut table, default.attempt_header),
        explain_header: table.parse("explain_header", value::boolean).unwrap_or(default.explain_header),
        peek_quota: table.parse("peek_quota", value::boolean).unwrap_or(default.peek_quota),
        hold_event_stream: hold_event_stream(&mut table, default.hold_event_stream),
        mint_idempotency_key: table
            .parse("mint_idempotency_key", value::boolean)
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
                word.parse(|value| retry_on.add(value::text(value, &triggers())?));
            }
            retry_on
        }
        None => default,
    };
    // The statuses count with or without Envoy's "retriable-status-codes", since an operator who lists them
    // means them.
    let statuses =
        table.value("retriable_status_codes").and_then(|value| value.items("a list such as [500]"));
    let statuses = statuses.into_iter().flatten();
    retry_on.statuses.extend(statuses.filter_map(|status| status.parse(parse_http::status)));
    // The headers count with or without Envoy's "retriable-headers" likewise.
    retry_on.headers.extend(retriable_headers(table));
    retry_on
}

fn retriable_headers(table: &mut Table<'_>) -> Vec<RetriableHeader> {
    let allowed = "{ \"x-amzn-errortype\" = \"ThrottlingException\" }";
    let Some(headers) = table.value("retriable_headers").and_then(|value| value.table(allowed)) else {
        return Vec::new();
    };
    let entries = headers.entries().into_iter().filter_map(|(key, value)| {
        let name = parse_http::header_name(key).map_err(|invalid| headers.report_key(key, invalid)).ok();
        let value = value.parse(|value| match value::text(value, "the value of the header")? {
            "" => Err(Invalid::new("empty").allowed("the value of the header")),
            text => Ok(text.to_owned()),
        });
        Some(RetriableHeader { name: name?, value: value? })
    });
    entries.collect()
}

impl RetryOn {
    fn add(&mut self, given: &str) -> Result<(), Invalid> {
        let trigger = RetryTrigger::KEYWORDS.iter().find(|(word, _)| *word == given);
        match trigger.map(|(_, trigger)| *trigger) {
            Some(trigger) => self.add_trigger(trigger),
            None if given.len() == 3 && given.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.statuses.insert(parse_http::status_of(given)?);
            }
            None if UNSUPPORTED_TRIGGERS.contains(&given) => {
                return Err(Invalid::new("a word of Envoy's that is not supported").allowed(triggers()));
            }
            None => {
                let near = nearest(given, RetryTrigger::KEYWORDS.iter().map(|(word, _)| *word));
                return Err(Invalid::new("unknown word").allowed(triggers()).nearest(near));
            }
        }
        Ok(())
    }

    fn add_trigger(&mut self, trigger: RetryTrigger) {
        match trigger {
            RetryTrigger::ConnectFailure => self.connect_failure = true,
            RetryTrigger::RefusedStream => self.refused_stream = true,
            RetryTrigger::Reset => self.reset = true,
            RetryTrigger::PerTryTimeout => self.per_try_timeout = true,
            RetryTrigger::GatewayError => self.add_statuses(502..=504),
            // Envoy's rule, which also counts an attempt without a response.
            RetryTrigger::ServerError => {
                self.add_statuses(500..=599);
                self.connect_failure = true;
                self.refused_stream = true;
                self.reset = true;
                self.per_try_timeout = true;
            }
            // Envoy's rule, which means this status alone.
            RetryTrigger::RetriableClientError => self.add_statuses(409..=409),
            RetryTrigger::RateLimited => self.rate_limited = true,
            // The statuses and the headers come from their own keys.
            RetryTrigger::RetriableStatusCodes | RetryTrigger::RetriableHeaders => {}
            RetryTrigger::Grpc(code) => {
                self.grpc_codes.insert(code);
            }
        }
    }

    fn add_statuses(&mut self, codes: impl Iterator<Item = u16>) {
        self.statuses.extend(codes.filter_map(|code| StatusCode::from_u16(code).ok()));
    }
}

fn triggers() -> String {
    format!("{}, a status such as \"429\"", list::<RetryTrigger>())
}

fn methods(table: &mut Table<'_>) -> Option<RetryMethods> {
    let value = table.value("methods")?;
    let allowed = "idempotent, all, or a list such as [\"GET\", \"POST\"]";
    if !value.is_list() {
        return value.parse(|value| match value::text(value, allowed)? {
            "idempotent" => Ok(RetryMethods::Idempotent),
            "all" => Ok(RetryMethods::All),
            given => Err(Invalid::new("unknown word")
                .allowed(allowed)
                .nearest(nearest(given, ["idempotent", "all"]))),
        });
    }
    let items = value.items(allowed)?;
    if items.is_empty() {
        table.report("methods", Invalid::new("empty").allowed(format!("{allowed}; retry = false for none")));
    }
    Some(RetryMethods::Listed(items.into_iter().filter_map(|item| item.parse(parse_http::method)).collect()))
}

fn per_try_timeout(table: &mut Table<'_>, default: Option<Duration>, timeout: Duration) -> Option<Duration> {
    let Some(value) = table.value("per_try_timeout") else { return default };
    if value.boolean() == Some(false) {
        return None;
    }
    value.parse(|value| match value::duration(value)? {
        time if time > timeout => Err(Invalid::new("longer than the timeout of the route")
            .allowed(format!("up to {timeout:?}, or false"))),
        time => Ok(time),
    })
}

fn hold_event_stream(table: &mut Table<'_>, default: Option<Duration>) -> Option<Duration> {
    let Some(value) = table.value("hold_event_stream") else { return default };
    match value.boolean() {
        Some(false) => None,
        _ => value.parse(value::duration),
    }
}

fn back_off(table: &mut Table<'_>, default: BackOff) -> BackOff {
    let allowed =
        "{ policy = \"exponential\", base_interval = \"25ms\", max_interval = \"250ms\", jitter = \"full\" }";
    let Some(mut table) = table.value("back_off").and_then(|value| value.table(allowed)) else {
        return default;
    };
    let kind = table.parse("policy", value::keyword);
    let base = table.parse("base_interval", value::duration);
    let max = table.parse("max_interval", value::duration);
    let jitter: Option<Jitter> = table.parse("jitter", value::keyword);

    let policy = match kind {
        Some(BackOffKind::Decorrelated) => {
            if jitter.is_some_and(|jitter| jitter != Jitter::Full) {
                let message = "means nothing to the policy \"decorrelated\", which has its own";
                table.report("jitter", Invalid::new(message).allowed("full"));
            }
            BackOffPolicy::Decorrelated
        }
        _ => jitter.map_or(default.policy, BackOffPolicy::ExponentialBackoff),
    };
    if let (Some(base), Some(max)) = (base, max)
        && base > max
    {
        table.report("base_interval", Invalid::new("above max_interval").allowed(format!("up to {max:?}")));
    }
    table.finish();
    BackOff {
        policy,
        base_interval: base
            .unwrap_or_else(|| max.map_or(default.base_interval, |max| max.min(default.base_interval))),
        // Envoy's rule where only the base is in the file. With the default base it gives the default.
        max_interval: max
            .unwrap_or_else(|| base.map_or(default.max_interval, |base| base.saturating_mul(10))),
    }
}

fn rate_limited_back_off(table: &mut Table<'_>, default: RateLimitedBackOff) -> RateLimitedBackOff {
    let allowed =
        "{ base_interval = \"500ms\", max_interval = \"10s\", on_exceed = \"return\", spread = 1.0 }";
    let value = table.value("rate_limited_back_off");
    let Some(mut table) = value.and_then(|value| value.table(allowed)) else { return default };
    let base = table.parse("base_interval", value::duration);
    let max_interval = table.parse("max_interval", value::duration_or_zero).unwrap_or(default.max_interval);
    if base.is_some_and(|base| base > max_interval) {
        let allowed = format!("up to {max_interval:?}");
        table.report("base_interval", Invalid::new("above max_interval").allowed(allowed));
    }
    let after = RateLimitedBackOff {
        base_interval: base.unwrap_or(default.base_interval.min(max_interval)),
        max_interval,
        on_exceed: table.parse("on_exceed", value::keyword).unwrap_or(default.on_exceed),
        spread: table.parse("spread", value::share).unwrap_or(default.spread),
    };
    table.finish();
    after
}

fn buffer_limit(table: &mut Table<'_>, default: usize, buffers: &Buffers) -> usize {
    let limit = table.parse("request_body_buffer_limit", |value| match value::size(value)? {
        limit if limit > buffers.total => Err(Invalid::new("more than all requests together may keep")
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
        bytes: table.parse("bytes", value::size).unwrap_or(default.bytes),
        time: table.parse("time", value::duration_or_zero).unwrap_or(default.time),
    };
    table.finish();
    drain
}

fn attempt_header(table: &mut Table<'_>, default: Option<http::HeaderName>) -> Option<http::HeaderName> {
    let Some(value) = table.value("attempt_header") else { return default };
    match value.boolean() {
        Some(false) => None,
        _ => Value::parse(value, parse_http::attempt_header),
    }
}
