//! Explains in words how a route handles an outcome: the verdict, the reason, and when the next attempts start.

mod body;
mod case;
mod end;
mod endpoints;
mod outage;
mod outcome_name;
mod pace;
mod reason;
mod schedule;
mod seconds;

use std::fmt::{self, Write as _};
use std::time::SystemTime;

use http::{Method, Request};
use http_retry::Why;
use tower_http_retry::policy::{Failure, ResponseHead};
use tower_http_retry::{Attempt, FailureKind, GiveUpReason, Outcome, RetryHint, Window};

use self::body::body_text;
pub use self::body::read_body;
pub use self::case::{Case, CaseOutcome};
use self::end::write_end;
pub use self::endpoints::with_addresses;
use self::outage::write_outage;
use self::outcome_name::outcome_name;
pub use self::pace::explain_pace;
use self::reason::reason_against;
use self::schedule::{Draw, Play, PlayedOutcome, ResendEnd, ResendWait, Resends};
use self::seconds::seconds;
use crate::config::{FallbackConfig, RetryConfig, RouteConfig, UpstreamConfig};
use crate::message::upgrade;
use crate::proxy::policy::GatewayPolicy;
use crate::upstream::pace::in_force;

/// Explains how a route handles a case, in a few lines. The waits are those of one request whose every attempt has this outcome,
/// at the endpoints and the pace of `upstream`, if it is given. [`with_addresses`] finds the endpoints behind names.
pub fn explain(
    route: &RouteConfig,
    upstream: Option<&UpstreamConfig>,
    case: &Case,
    now: SystemTime,
) -> String {
    let mut text = String::new();
    // Writing to a `String` never fails.
    let _ = write_explanation(&mut text, route, upstream, case, now);
    text
}

fn write_explanation(
    text: &mut String,
    route: &RouteConfig,
    upstream: Option<&UpstreamConfig>,
    case: &Case,
    now: SystemTime,
) -> fmt::Result {
    let mut request = Request::new(());
    *request.method_mut() = case.method.clone();
    *request.headers_mut() = case.request.clone();
    let outcome = match &case.outcome {
        CaseOutcome::Failure(kind) => Outcome::from(Failure::new(*kind)),
        CaseOutcome::Response(response) => {
            if let Some(body) = body_text(response) {
                writeln!(text, "{body}")?;
            }
            ResponseHead::from(&**response).into()
        }
    };
    let attempt = Attempt::new(1, &request, outcome);
    let is_connect_or_upgrade = request.method() == Method::CONNECT || upgrade::is_forwarded(&request);
    let fallback = route.fallback.as_ref().filter(|_| !is_connect_or_upgrade);
    // The request goes on to the next upstream after an outcome that is worth a retry, even if there is none here.
    let is_never_sent = matches!(case.outcome, CaseOutcome::Failure(FailureKind::NeverSent));
    let waits = |upstream: &&UpstreamConfig| !upstream.wait_while_down.is_zero() && is_never_sent;
    if let Some(upstream) = upstream.filter(waits).filter(|_| request.method() != Method::CONNECT) {
        return write_outage(text, route, upstream, fallback);
    }
    let Some(retry) = &route.retry else {
        return write_end(text, fallback.filter(|_| is_never_sent), "the route has retry = false");
    };
    // The session resends an upgrade that no endpoint has got.
    if is_connect_or_upgrade && !(is_never_sent && request.method() != Method::CONNECT) {
        return write_end(text, None, NO_TUNNEL_RETRY);
    }
    let policy = GatewayPolicy::new(retry);
    let rule = policy.rule(&attempt);
    let Some((cause, source)) = rule.filter(|_| retry.num_retries > 0) else {
        let reason = match rule {
            Some(_) => "num_retries is 0".to_owned(),
            None => reason_against(retry, &policy, &attempt),
        };
        return write_end(text, fallback.filter(|_| is_never_sent || rule.is_some()), &reason);
    };
    writeln!(text, "retryable after {}: {cause} ({source})", outcome_name(&outcome))?;
    let hint = match outcome {
        Outcome::Response(head) => RetryHint::read_with_header(&head, now),
        Outcome::Failure(_) => None,
    };
    if let Some((hint, header)) = hint {
        match hint {
            RetryHint::After(delay) => {
                writeln!(text, "the server asks for a wait of {} ({header})", seconds(delay))?;
            }
            RetryHint::Never => writeln!(text, "the server asks for no further attempt ({header})")?,
        }
    }
    let max_wait = fallback.map_or(route.timeout, |fallback| fallback.after);
    let played = match &case.outcome {
        CaseOutcome::Failure(kind) => PlayedOutcome::failure(*kind),
        CaseOutcome::Response(response) => PlayedOutcome::Response((**response).clone()),
    };
    let pace = upstream.and_then(in_force);
    let play = Play {
        policy: &policy,
        max_attempts: retry.num_retries.saturating_add(1),
        max_wait,
        request: &request,
        outcome: played,
        endpoints: upstream.map_or(1, |upstream| upstream.endpoints.len()),
        pace: pace.as_ref(),
        now,
    };
    write_schedule(text, route, retry, fallback, play)
}

/// Writes when each further attempt starts, and what follows the last one.
fn write_schedule(
    text: &mut String,
    route: &RouteConfig,
    retry: &RetryConfig,
    fallback: Option<&FallbackConfig>,
    mut play: Play<'_>,
) -> fmt::Result {
    let Resends { waits, end } = play.run(Draw::Earliest);
    let latest = play.run(Draw::Latest).waits;
    for (index, wait) in waits.iter().enumerate() {
        let latest = latest.get(index).map_or(wait.delay, |wait| wait.delay);
        let window = window_text(Window::between(wait.delay, latest));
        writeln!(text, "attempt {}: {window} after the previous outcome{}", index + 2, pace_text(wait))?;
    }
    let last = waits.len() + 1;
    match end {
        ResendEnd::TooLate(total) => {
            let key = if fallback.is_some() { "fallback.after" } else { "the route's timeout" };
            let max_wait = fallback.map_or(route.timeout, |fallback| fallback.after);
            let reason = format!(
                "attempt {} would start after {}, and {key} is {}",
                last + 1,
                seconds(total),
                seconds(max_wait)
            );
            write_end(text, fallback, &reason)
        }
        ResendEnd::GiveUp(reason) if reason != GiveUpReason::MaxAttempts => {
            let next = fallback.filter(|_| reason != GiveUpReason::ServerSaidNo);
            write_end(text, next, &give_up_text(reason, retry))
        }
        ResendEnd::GiveUp(_) | ResendEnd::Accepted => match (fallback, &play.outcome) {
            (Some(fallback), _) => {
                writeln!(text, "after attempt {last}: sent to {}", fallback.upstreams.join(", and then to "))
            }
            (None, PlayedOutcome::Response(_)) => {
                writeln!(text, "after attempt {last}: the last response is returned to the client")
            }
            (None, PlayedOutcome::Failure(..)) => {
                writeln!(text, "after attempt {last}: an error of the gateway is returned to the client")
            }
        },
    }
}

/// Returns what the pace does to an attempt, if it does anything.
fn pace_text(wait: &ResendWait) -> String {
    match (wait.is_probe, wait.why) {
        (true, _) => " (pace: a probe for all that wait)".to_owned(),
        (false, Some(why)) if why != Why::OwnHint => format!(" (pace: {why})"),
        _ => String::new(),
    }
}

fn window_text(window: Window) -> String {
    match window.width().is_zero() {
        true => seconds(window.earliest),
        false => format!("{} to {}", seconds(window.earliest), seconds(window.latest)),
    }
}

fn give_up_text(reason: GiveUpReason, retry: &RetryConfig) -> String {
    match reason {
        GiveUpReason::HintTooLong => format!(
            "the wait is longer than rate_limited_back_off.max_interval, which is {}",
            seconds(retry.rate_limited_back_off.max_interval)
        ),
        GiveUpReason::ServerSaidNo => "the server asks for no further attempt".to_owned(),
        other => other.to_string(),
    }
}

const NO_TUNNEL_RETRY: &str =
    "CONNECT is never retried, and a request for an upgrade only if it was never sent";

#[cfg(test)]
mod tests;
