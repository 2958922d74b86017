use http::{Request, Response};

use super::*;
use crate::ResponseHead;

#[track_caller]
fn check_post(status: u16, lines: &[(&str, &str)], expected: Verdict) {
    let request = Request::post("http://api.example/").body(()).unwrap();
    let response = Response::builder().status(status);
    let response = lines.iter().fold(response, |response, (name, value)| response.header(*name, *value));
    let response = response.body(()).unwrap();
    let attempt = Attempt::new(1, &request, ResponseHead::from(&response));
    assert_eq!(classify(&attempt), expected, "{status} {lines:?}");
}

#[track_caller]
fn check_413(retry_after: &str, expected: Verdict) {
    check_post(413, &[("retry-after", retry_after)], expected);
}

#[test]
fn a_403_is_a_limit_only_if_its_headers_say_so() {
    for lines in [
        ("x-ratelimit-remaining", "0"),
        ("x-rate-limit-remaining", "0"),
        ("ratelimit", r#""a";r=0;t=30"#),
        ("retry-after", "30"),
        ("retry-after", "Thu, 01 Jan 2026 00:00:30 GMT"),
        ("retry-after-ms", "30"),
        ("beta-retry-after", "30"),
    ] {
        check_post(403, &[lines], Retry(Throttled));
        check_post(404, &[lines], Accept);
    }
    check_post(403, &[], Accept);
    check_post(403, &[("retry-after", "soon")], Accept);
    check_post(403, &[("x-ratelimit-remaining", "4980"), ("x-ratelimit-reset", "30")], Accept);
    check_post(403, &[("x-ratelimit-remaining", "4980"), ("retry-after", "2")], Retry(Throttled));
}

#[test]
fn other_refusals_are_limits_if_they_name_a_time() {
    for status in [400, 413, 423, 449, 509, 529] {
        check_post(status, &[], Accept);
        check_post(status, &[("retry-after", "soon")], Accept);
        check_post(status, &[("retry-after", "2")], Retry(Throttled));
        check_post(status, &[("retry-after-ms", "20")], Retry(Throttled));
        check_post(status, &[("retry-after", "2"), ("x-should-retry", "false")], Accept);
    }
}

#[test]
fn the_reset_of_a_used_up_quota_is_a_time() {
    for status in [400, 403, 413, 423, 449, 509, 529] {
        for lines in [
            // Linear sends such a 400.
            [("x-ratelimit-requests-remaining", "0"), ("x-ratelimit-requests-reset", "30")],
            [("x-ratelimit-remaining", "0"), ("x-ratelimit-retry-after", "30")],
            [("ratelimit", r#""a";r=0;t=30"#), ("ratelimit-policy", r#""a";q=9;w=60"#)],
        ] {
            check_post(status, &lines, Retry(Throttled));
            check_post(404, &lines, Accept);
        }
    }
    check_post(509, &[("x-ratelimit-reset", "30")], Retry(Throttled));
    for status in [400, 403, 413, 423, 449, 529] {
        check_post(status, &[("x-ratelimit-reset", "30")], Accept);
        check_post(status, &[("x-ratelimit-remaining", "9"), ("x-ratelimit-reset", "30")], Accept);
        check_post(status, &[("ratelimit", r#""a";r=9;t=30"#)], Accept);
    }
}

#[test]
fn a_413_is_retried_with_a_valid_retry_after_of_any_form() {
    for value in [
        "120",
        "Thu, 01 Jan 2026 00:00:30 GMT",
        "Thursday, 01-Jan-26 00:00:30 GMT",
        "Thu Jan  1 00:00:30 2026",
    ] {
        check_413(value, Retry(Throttled));
    }
    for value in ["", "soon", "-1"] {
        check_413(value, Accept);
    }
}

#[test]
fn no_status_below_400_is_retried_regardless_of_headers() {
    let request = Request::get("http://api.example/").body(()).unwrap();
    for status in 100..400 {
        for value in ["true", "false", ""] {
            let response = Response::builder().status(status).header("x-should-retry", value);
            let response = response.header("retry-after", "1").header("x-ratelimit-remaining", "0");
            let response = response.body(()).unwrap();
            let attempt = Attempt::new(1, &request, ResponseHead::from(&response));
            assert_eq!(matching(&attempt).map_or(Accept, |rule| rule.verdict), Accept, "{status} {value}");
        }
    }
}

#[test]
fn each_rule_has_a_source() {
    for rule in RULES {
        assert!(!rule.source.is_empty(), "{rule:?}");
    }
}
