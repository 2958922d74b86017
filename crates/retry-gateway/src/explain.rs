//! What would be done with an outcome, in words: by which rule, and when.

use std::fmt::{self, Write as _};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, Method, Request, Response, StatusCode};
use tower_http_retry::policy::{Failure, ResponseHead};
use tower_http_retry::{
    Attempt, FailureKind, GiveUpReason, Outcome, Plan, Policy, RetryContext, RetryHint, Window,
};

use crate::config::{Fallback, Route};
use crate::proxy::policy::GatewayPolicy;

/// A request and what came back, as somebody imagines them.
#[derive(Clone, Debug)]
pub struct Case {
    /// The request's method.
    pub method: Method,
    /// The request's headers.
    pub request: HeaderMap,
    /// What came back.
    pub outcome: CaseOutcome,
}

/// What came back.
#[derive(Clone, Debug)]
pub enum CaseOutcome {
    /// A response with these headers.
    Response(StatusCode, HeaderMap),
    /// None.
    Failure(FailureKind),
}

/// Says what a route does with a case, in a few lines.
pub fn explain(route: &Route, case: &Case, now: SystemTime) -> String {
    let mut text = String::new();
    // A `String` takes all that is written to it.
    let _ = write(&mut text, route, case, now);
    text
}

fn write(text: &mut String, route: &Route, case: &Case, now: SystemTime) -> fmt::Result {
    let mut request = Request::new(());
    *request.method_mut() = case.method.clone();
    *request.headers_mut() = case.request.clone();
    let mut response = Response::new(());
    let outcome = match &case.outcome {
        CaseOutcome::Failure(kind) => Outcome::from(Failure::new(*kind)),
        CaseOutcome::Response(status, headers) => {
            *response.status_mut() = *status;
            *response.headers_mut() = headers.clone();
            ResponseHead::from(&response).into()
        }
    };
    let attempt = Attempt::new(1, &request, outcome);
    let other = route.fallback.as_ref().filter(|_| !attempt.request.is_connect_or_upgrade());
    let is_never_sent = matches!(case.outcome, CaseOutcome::Failure(FailureKind::NeverSent));
    let Some(retry) = &route.retry else {
        return gets(text, other.filter(|_| is_never_sent), "the route never sends again");
    };
    let policy = GatewayPolicy::new(retry);
    let rule = policy.rule(&attempt);
    let Some((cause, source)) = rule.filter(|_| retry.num_retries > 0) else {
        let why = match policy.leaves_retry_to_client(&attempt) {
            true => "the request is itself a resend",
            false if retry.num_retries == 0 => "num_retries is 0",
            false => "the route does not retry this request after that outcome",
        };
        return gets(text, other.filter(|_| is_never_sent || rule.is_some()), why);
    };
    writeln!(text, "worth another attempt: {cause} ({source})")?;
    let hint = match outcome {
        Outcome::Response(head) => RetryHint::read_with_header(&head, now),
        Outcome::Failure(_) => None,
    };
    if let Some((hint, header)) = hint {
        match hint {
            RetryHint::After(delay) => writeln!(text, "the server asks for {}, in {header}", seconds(delay))?,
            RetryHint::Never => writeln!(text, "the server asks never to come back, in {header}")?,
        }
    }
    let (latest, whose) = match other {
        Some(other) => (other.after, "the fallback's"),
        None => (route.timeout, "the route's"),
    };
    for step in 0..retry.num_retries {
        let context = RetryContext::new(attempt, cause)
            .hint(hint.map(|(hint, _)| hint))
            .hint_header(hint.map(|(_, header)| header))
            .now(now)
            .backoff_step(step);
        match at_hint(policy.schedule(&context), hint.and_then(|(hint, _)| hint.delay())) {
            Plan::GiveUp(reason) => {
                return gets(text, other.filter(|_| reason != GiveUpReason::ServerSaidNo), words(reason));
            }
            Plan::Resend(window) if window.earliest > latest => {
                return gets(text, other, &format!("that is after {whose} {}", seconds(latest)));
            }
            Plan::Resend(window) => writeln!(text, "attempt {}: {}", step + 2, span(window))?,
        }
    }
    match other {
        Some(other) => writeln!(text, "then {} gets the request", other.upstreams.join(", and then ")),
        None => writeln!(text, "then the client gets what came back last"),
    }
}

/// Who is next: another upstream gets the request, where there is one, or the client what came back.
fn gets(text: &mut String, other: Option<&Fallback>, why: &str) -> fmt::Result {
    match other.and_then(|other| other.upstreams.first()) {
        Some(other) => writeln!(text, "{other} gets the request: {why}"),
        None => writeln!(text, "the client gets it: {why}"),
    }
}

/// A session never sends before the hint.
fn at_hint(plan: Plan, hint: Option<Duration>) -> Plan {
    match (plan, hint) {
        (Plan::Resend(window), Some(hint)) => window.opening_at(hint).into(),
        (plan, _) => plan,
    }
}

fn span(window: Window) -> String {
    if window.width().is_zero() {
        return format!("{} after the answer before", seconds(window.earliest));
    }
    format!("{} to {} after the answer before", seconds(window.earliest), seconds(window.latest))
}

fn seconds(duration: Duration) -> String {
    format!("{:.3} s", duration.as_secs_f64())
}

fn words(reason: GiveUpReason) -> &'static str {
    match reason {
        GiveUpReason::HintTooLong => "the server asks for a longer wait than the route makes",
        GiveUpReason::ServerSaidNo => "the server asks not to come back",
        other => other.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;
    use crate::config::Profile;

    #[track_caller]
    fn check(profile: Profile, method: Method, status: u16, header: Option<(&str, &str)>, expected: &[&str]) {
        let headers: HeaderMap = header
            .into_iter()
            .map(|(name, value)| (HeaderName::try_from(name).unwrap(), value.parse().unwrap()))
            .collect();
        let outcome = CaseOutcome::Response(StatusCode::from_u16(status).unwrap(), headers);
        let case = Case { method, request: HeaderMap::new(), outcome };
        let text = explain(&Route::to("api", profile, false), &case, SystemTime::UNIX_EPOCH);
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_schedule_is_told_attempt_by_attempt() {
        check(
            Profile::Default,
            Method::GET,
            502,
            None,
            &[
                "worth another attempt: transient (RFC 9110 sections 15.6.3 and 15.6.5)",
                "attempt 2: 0.000 s to 0.025 s after the answer before",
                "attempt 3: 0.000 s to 0.050 s after the answer before",
                "then the client gets what came back last",
            ],
        );
        check(
            Profile::Llm,
            Method::POST,
            429,
            Some(("retry-after", "2")),
            &[
                "worth another attempt: throttled (RFC 6585 section 4)",
                "the server asks for 2.000 s, in retry-after",
                "attempt 2: 2.000 s to 4.000 s after the answer before",
                "attempt 3: 2.000 s to 4.000 s after the answer before",
                "attempt 4: 2.000 s to 4.000 s after the answer before",
                "then the client gets what came back last",
            ],
        );
    }

    #[test]
    fn what_is_the_clients_is_told_with_the_reason() {
        check(
            Profile::Default,
            Method::GET,
            503,
            Some(("retry-after", "3600")),
            &[
                "worth another attempt: throttled (RFC 9110 section 15.6.4)",
                "the server asks for 3600.000 s, in retry-after",
                "the client gets it: the server asks for a longer wait than the route makes",
            ],
        );
        let none = &["the client gets it: the route does not retry this request after that outcome"];
        check(Profile::Default, Method::POST, 503, None, none);
        check(Profile::Default, Method::GET, 404, None, none);
    }

    #[test]
    fn who_is_next_is_told_where_somebody_is() {
        let check = |profile: Profile, change: &dyn Fn(&mut Route), outcome: CaseOutcome, last: &str| {
            let mut route = Route::to("api", profile, false);
            let upstreams = vec!["b".to_owned(), "c".to_owned()];
            route.fallback = Some(Fallback { upstreams, after: Duration::from_secs(5) });
            change(&mut route);
            let case = Case { method: Method::POST, request: HeaderMap::new(), outcome };
            let text = explain(&route, &case, SystemTime::UNIX_EPOCH);
            assert_eq!(text.lines().last(), Some(last), "{text}");
        };
        let busy = |hint: &'static str| {
            let headers = [(http::header::RETRY_AFTER, http::HeaderValue::from_static(hint))];
            CaseOutcome::Response(StatusCode::TOO_MANY_REQUESTS, headers.into_iter().collect())
        };
        let failed = CaseOutcome::Failure;
        let same: &dyn Fn(&mut Route) = &|_| {};
        let never: &dyn Fn(&mut Route) = &|route| route.retry = None;
        check(Profile::Llm, same, busy("2"), "then b, and then c gets the request");
        check(Profile::Llm, same, busy("6"), "b gets the request: that is after the fallback's 5.000 s");
        let too_long = "b gets the request: the server asks for a longer wait than the route makes";
        check(Profile::Llm, same, busy("600"), too_long);
        let none = "the client gets it: the route does not retry this request after that outcome";
        check(Profile::Default, same, busy("2"), none);
        check(Profile::Default, same, failed(FailureKind::MaybeProcessed), none);
        check(Profile::Default, never, busy("2"), "the client gets it: the route never sends again");
        let unsent = "b gets the request: the route never sends again";
        check(Profile::Default, never, failed(FailureKind::NeverSent), unsent);
        let once: &dyn Fn(&mut Route) = &|route| route.retry.as_mut().unwrap().num_retries = 0;
        check(Profile::Llm, once, busy("2"), "b gets the request: num_retries is 0");
    }
}
