//! The heads of answers, and refusals that have nothing to do with a limit.

use http_retry::{ResponseHead, RetryHint};

use super::*;
use crate::grid::Noise;

/// Returns the status and the hint that a caller reads.
fn read(reply: &Reply) -> (u16, Option<Duration>) {
    let head = ResponseHead::from(&*reply.response);
    let hint = RetryHint::read(&head, SystemTime::UNIX_EPOCH).and_then(RetryHint::delay);
    (head.status().as_u16(), hint)
}

/// Uses up a bucket of one call in 2.5 s, and checks the hint of the refusal 0.1 s later.
#[track_caller]
fn check_hint(hint: HintSpec, expected: Option<f64>) {
    let limit = Limit::Bucket { per_second: 0.4, burst: 1.0 };
    let spec = ServerSpec { hint, ..server(limit) };
    let mut server = new_server(&spec);
    assert_eq!(read(&server.arrive(Duration::ZERO, &call(1, 1))), (200, None));
    let refusal = server.arrive(secs(0.1), &call(2, 1));
    let expected = expected.map(secs);
    assert_eq!((read(&refusal), refusal.hint), ((429, expected), expected), "{hint:?}");
}

#[test]
fn a_refusal_has_the_hint_of_its_server() {
    check_hint(HintSpec::None, None);
    check_hint(HintSpec::Seconds { at_least: 1 }, Some(3.0));
    check_hint(HintSpec::Seconds { at_least: 4 }, Some(4.0));
    check_hint(HintSpec::Fixed { seconds: 1 }, Some(1.0));
    check_hint(HintSpec::Milliseconds, Some(2.4));
    check_hint(HintSpec::Scaled { factor: 0.1 }, Some(1.0));
    check_hint(HintSpec::Scaled { factor: 4.0 }, Some(10.0));
}

#[test]
fn refusals_that_have_nothing_to_do_with_load_take_no_room() {
    let fixed = Limit::Fixed { count: 1, window: secs(100.0) };
    let spec = ServerSpec {
        refused_first: 2,
        outage: Some(Outage { from: secs(0.0), to: secs(1.0), status: 529, hint: Some(7) }),
        poison_hint: Some(secs(0.5)),
        ..server(fixed)
    };
    let mut server = new_server(&spec);
    let poisoned = Call { is_poison: true, attempt: 3, ..call(1, 1) };
    let attempt = |attempt| Call { attempt, ..call(2, 1) };
    assert_eq!(read(&server.arrive(secs(0.9), &attempt(3))), (529, Some(secs(7.0))));
    assert_eq!(read(&server.arrive(secs(1.0), &poisoned)), (429, Some(secs(0.5))));
    assert_eq!(read(&server.arrive(secs(1.0), &attempt(1))), (429, Some(secs(1.0))));
    assert_eq!(read(&server.arrive(secs(1.0), &attempt(2))), (429, Some(secs(1.0))));
    assert_eq!(read(&server.arrive(secs(1.0), &attempt(3))), (200, None));
    assert_eq!(read(&server.arrive(secs(1.0), &attempt(4))).0, 429);
}

#[test]
fn noise_refuses_its_share_of_calls_whatever_the_time() {
    let noise = Noise { share: 0.1, status: 503, hint: Some(2) };
    let spec = ServerSpec { noise: Some(noise), ..server(Limit::None) };
    let mut server = new_server(&spec);
    let calls = (0..10_000).map(|number| Call { attempt: 1 + number as u32 % 3, ..call(number / 3, 1) });
    let refused = calls.filter(|call| {
        let reply = server.arrive(secs(call.request as f64), call);
        assert_eq!(!reply.is_served, server.is_refused_anyway(call));
        assert_eq!(read(&reply), if reply.is_served { (200, None) } else { (503, Some(secs(2.0))) });
        !reply.is_served
    });
    let refused = refused.count();
    assert!((900..1_100).contains(&refused), "{refused}");
}

/// Checks the headers of the last of some calls at once, each with a cost of 26 units.
#[track_caller]
fn check_announced(announces: Announces, limit: Limit, calls: u64, expected: &[(&str, &str)]) {
    let spec = ServerSpec { announces, hint: HintSpec::None, ..server(limit) };
    let mut server = new_server(&spec);
    let replies: Vec<_> = (0..calls).map(|number| server.arrive(secs(1.5), &call(number, 26))).collect();
    let headers = replies.last().map(|reply| reply.response.headers().clone()).unwrap_or_default();
    let mut lines: Vec<_> =
        headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default())).collect();
    lines.sort_unstable();
    assert_eq!(lines, expected);
}

fn quotas(requests: u32, units: u32) -> Limit {
    let quota = |limit| Some(Quota { limit, window: secs(60.0) });
    Limit::Quotas { requests: quota(requests), units: quota(units) }
}

#[test]
fn open_ai_announces_the_time_until_a_quota_is_full() {
    let expected = [
        ("x-ratelimit-limit-requests", "30"),
        ("x-ratelimit-limit-tokens", "60"),
        ("x-ratelimit-remaining-requests", "28"),
        ("x-ratelimit-remaining-tokens", "8"),
        ("x-ratelimit-reset-requests", "4000ms"),
        ("x-ratelimit-reset-tokens", "52000ms"),
    ];
    check_announced(Announces::OpenAi, quotas(30, 60), 2, &expected);
    // A refused call takes nothing.
    check_announced(Announces::OpenAi, quotas(30, 60), 3, &expected);
}

#[test]
fn anthropic_announces_tokens_to_the_nearest_percent_and_a_date() {
    let expected = [
        ("anthropic-ratelimit-input-tokens-limit", "1000"),
        ("anthropic-ratelimit-input-tokens-remaining", "950"),
        ("anthropic-ratelimit-input-tokens-reset", "1970-01-01T00:00:05Z"),
        ("anthropic-ratelimit-requests-limit", "60"),
        ("anthropic-ratelimit-requests-remaining", "58"),
        ("anthropic-ratelimit-requests-reset", "1970-01-01T00:00:04Z"),
    ];
    check_announced(Announces::Anthropic, quotas(60, 1_000), 2, &expected);
}

#[test]
fn ietf_announces_the_end_of_a_window() {
    let fixed = Limit::Fixed { count: 3, window: secs(10.0) };
    check_announced(
        Announces::Ietf,
        fixed,
        2,
        &[("ratelimit", r#""requests";r=1;t=9"#), ("ratelimit-policy", r#""requests";q=3;w=10"#)],
    );
    let sliding = Limit::Sliding { count: 2, window: secs(10.0), counts_refused: false };
    check_announced(
        Announces::Ietf,
        sliding,
        9,
        &[("ratelimit", r#""requests";r=0;t=10"#), ("ratelimit-policy", r#""requests";q=2;w=10"#)],
    );
    // An empty bucket is back with its next call.
    for limit in [
        Limit::Bucket { per_second: 0.5, burst: 4.0 },
        Limit::Gcra { per_second: 0.5, burst: 4.0 },
        quotas(4, 1_000),
    ] {
        let (next, window) = if matches!(limit, Limit::Quotas { .. }) { (15, 60) } else { (2, 8) };
        let mut expected = vec![
            ("ratelimit", format!(r#""requests";r=0;t={next}"#)),
            ("ratelimit-policy", format!(r#""requests";q=4;w={window}"#)),
        ];
        if window == 60 {
            expected.insert(1, ("ratelimit", r#""units";r=896;t=7"#.to_owned()));
            expected.push(("ratelimit-policy", r#""units";q=1000;w=60"#.to_owned()));
        }
        let expected: Vec<_> = expected.iter().map(|(name, value)| (*name, &**value)).collect();
        check_announced(Announces::Ietf, limit, 4, &expected);
    }
}
