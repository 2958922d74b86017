//! Explains what a response means for the other requests that share a limit.

use std::time::{Duration, SystemTime};

use http::Request;
use http_retry::{Admission, ClockReading, Permit, Why};
use tower_http_retry::policy::ResponseHead;
use tower_http_retry::{Pace, RequestHead};

use super::case::{Case, CaseOutcome};
use super::schedule::ROUND_TRIP;
use super::seconds::seconds;
use crate::config::{PaceConfig, PaceKey, UpstreamConfig};
use crate::upstream::pace;

/// Explains how the pace of an upstream treats the other requests with the same key: after how many responses like that of
/// the case they wait, for how long and why. The text is empty if the upstream has no pace, or if such a response says
/// nothing about a limit.
pub fn explain_pace(upstream: &UpstreamConfig, case: &Case, now: SystemTime) -> String {
    let (Some(config), CaseOutcome::Response(response)) = (pace::in_force(upstream), &case.outcome) else {
        return String::new();
    };
    let mut request = Request::new(());
    (*request.method_mut(), *request.headers_mut()) = (case.method.clone(), case.request.clone());
    let others = format!("all other requests {}", shared(&config));
    match trial(&pace::new_pace(&config), &RequestHead::from(&request), &ResponseHead::from(&**response), now)
    {
        Trial::Silent => String::new(),
        Trial::Refused => format!("pace: {others} go on after any number of such responses\n"),
        Trial::Waits { responses, wait, why } => {
            let responses = match responses {
                1 => "one such response".to_owned(),
                count => format!("{count} such responses in a row"),
            };
            format!("pace: after {responses}, {others} and all resends wait for {} ({why})\n", seconds(wait))
        }
    }
}

/// The result of a trial.
#[derive(Clone, Copy)]
enum Trial {
    /// The response is no refusal.
    Silent,
    /// Each request waits for itself.
    Refused,
    /// The next request waits after so many responses.
    Waits { responses: usize, wait: Duration, why: Why },
}

/// Gives the response to one request after the other until the next one waits. A wait for a stop or for a quota outranks a
/// short one before it.
fn trial(pace: &Pace, request: &RequestHead<'_>, response: &ResponseHead<'_>, now: SystemTime) -> Trial {
    let (mut trial, mut at) = (Trial::Silent, Duration::from_secs(1));
    for responses in 0..MAX_RESPONSES {
        // A wait counts from the response before, and the next request comes a while later.
        let since = at;
        at += PAUSE;
        let (permit, wait) = admit(pace, request, since, &mut at);
        if let Some((wait, why)) = wait {
            let is_long = matches!(why, Why::Stopped | Why::Quota);
            if is_long || !matches!(trial, Trial::Waits { .. }) {
                trial = Trial::Waits { responses, wait, why };
            }
            if is_long {
                break;
            }
        }
        let Some(permit) = permit else { break };
        at += ROUND_TRIP;
        let settlement = pace.settle(permit, response, || ClockReading::new(at, now));
        if settlement.is_refused && matches!(trial, Trial::Silent) {
            trial = Trial::Refused;
        }
    }
    trial
}

/// Waits until a request is admitted, from `at` on. Returns the time from `since` until then, and the first reason, if it has to
/// wait. A stop counts in full, because only one request may go before its end.
fn admit(
    pace: &Pace,
    request: &RequestHead<'_>,
    since: Duration,
    at: &mut Duration,
) -> (Option<Permit>, Option<(Duration, Why)>) {
    let mut ticket = pace.ticket(request);
    let stopped_for = pace.report(&ticket, since).stopped_for.unwrap_or_default();
    let mut first = None;
    for _ in 0..MAX_POLLS {
        match pace.poll(&mut ticket, *at, None) {
            Admission::Go(permit) => {
                return (Some(permit), first.map(|why| (stopped_for.max(*at - since), why)));
            }
            Admission::Rejected(_) => return (None, None),
            Admission::Wait { until, why } => {
                first.get_or_insert(why);
                *at = until.max(*at);
            }
        }
    }
    pace.leave(&mut ticket, *at);
    (None, None)
}

fn shared(pace: &PaceConfig) -> String {
    match &pace.key {
        PaceKey::Upstream => "to the upstream".to_owned(),
        PaceKey::Endpoint => "to the same endpoint".to_owned(),
        PaceKey::Authority => "for the same host".to_owned(),
        PaceKey::Credential => "with the same credential".to_owned(),
        PaceKey::CredentialAndModel => "with the same credential for the same model".to_owned(),
        PaceKey::Header(name) => format!("with the same {name}"),
    }
}

/// The largest number of responses of a trial: more than stop a key, if any number does.
const MAX_RESPONSES: usize = 40;
/// The largest number of polls for one request of a trial.
const MAX_POLLS: usize = 10_000;
/// The time from a response to the next request. Requests that come faster are a burst, and a few more of them are sent.
const PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, Method, StatusCode};

    use super::*;

    fn explanation(key: Option<PaceKey>, status: u16, headers: &[(&str, &str)]) -> String {
        let mut upstream = UpstreamConfig::with_endpoints(vec!["http://10.0.0.1".parse().unwrap()]);
        upstream.pace = key.map(|key| PaceConfig { key, ..PaceConfig::default() });
        let lines = headers.iter();
        let headers = lines
            .map(|(name, value)| (HeaderName::try_from(*name).unwrap(), value.parse().unwrap()))
            .collect();
        let outcome = CaseOutcome::response(StatusCode::from_u16(status).unwrap(), headers);
        let case = Case { method: Method::GET, request: HeaderMap::new(), outcome };
        explain_pace(&upstream, &case, SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn refusals_in_a_row_stop_the_others_until_the_hint() {
        let text = explanation(Some(PaceKey::Credential), 429, &[("retry-after", "2")]);
        let (count, rest) = text.strip_prefix("pace: after ").unwrap().split_once(' ').unwrap();
        // A few refusals may be chance.
        assert!((2..=12).contains(&count.parse::<u32>().unwrap()), "{text}");
        let expected = "such responses in a row, all other requests with the same credential and all resends wait for 2.000 s (stopped)\n";
        assert_eq!(rest, expected);
    }

    #[test]
    fn a_quota_that_is_used_up_holds_the_others_back_at_once() {
        let headers = [("ratelimit", "\"default\";r=0;t=5"), ("ratelimit-policy", "\"default\";q=10;w=10")];
        let text = explanation(Some(PaceKey::Upstream), 200, &headers);
        let wait = text.strip_prefix(
            "pace: after one such response, all other requests to the upstream and all resends wait for ",
        );
        let (seconds, why) = wait.unwrap().split_once(' ').unwrap();
        assert!((4.5..=5.5).contains(&seconds.parse::<f64>().unwrap()) && why == "s (quota)\n", "{text}");
    }

    #[test]
    fn what_says_nothing_about_a_limit_is_not_explained() {
        assert_eq!(explanation(Some(PaceKey::Upstream), 200, &[]), "");
        assert_eq!(explanation(Some(PaceKey::Upstream), 404, &[]), "");
        assert_eq!(explanation(None, 429, &[("retry-after", "2")]), "");
    }
}
