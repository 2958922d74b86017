use super::name::{ANTHROPIC, LABELS, OTHERS};
use crate::hint::tests::{self, HintedResponse};

/// The lines of a response, and the label and the milliseconds of its hint.
#[track_caller]
fn check(status: u16, lines: &[(&str, &str)], label: &'static str, expected_ms: impl Into<Option<u64>>) {
    let response =
        lines.iter().fold(HintedResponse::new(status), |response, (name, value)| response.with(name, value));
    tests::check(response, label, expected_ms);
}

/// A value of a reset and the milliseconds that it means.
#[track_caller]
fn check_value(name: &str, value: &str, expected_ms: impl Into<Option<u64>>) {
    let label = LABELS.into_iter().find(|label| *label == name).unwrap_or(OTHERS);
    check(429, &[(name, value)], label, expected_ms);
}

#[test]
fn a_value_is_read_in_every_form() {
    for name in
        ["ratelimit-reset", "x-ratelimit-reset", "x-rate-limit-reset", "x-ratelimit-reset-tokens-minute"]
    {
        for (value, expected_ms) in [
            ("1", 1_000),
            ("0.25", 250),
            ("1000000000", 1_000_000_000_000),
            ("1767225603", 3_000),
            ("1767225603.0001", 3_001),
            ("1767225642000", 42_000),
            ("1767225642000.5", 42_001),
            ("12ms", 12),
            ("6m0s", 360_000),
            ("1d2h", 93_600_000),
            ("00:06:00", 360_000),
            ("2026-01-01T00:00:30Z", 30_000),
            ("2026-01-01T00:03Z", 180_000),
            ("2026-01-01T01:00:30.0001+01:00", 30_001),
            ("Thu, 01 Jan 2026 00:00:30 GMT", 30_000),
            ("Thu, 1 Jan 2026 00:00:30 +0000", 30_000),
            ("1767225642000000", 42_000),
            ("1767225642000000000", 42_000),
            ("30 seconds", 30_000),
            ("1 minute", 60_000),
            ("PT1M30.5S", 90_500),
            ("\"30\"", 30_000),
            ("2026-01-01 00:00:30 UTC", 30_000),
            ("2026-01-01 01:00:30 +0100", 30_000),
            ("5, 6", 6_000),
            ("5, later", 5_000),
            ("9;w=60", 9_000),
        ] {
            check_value(name, value, expected_ms);
        }
        for value in [
            "",
            "-5",
            "+5",
            "soon",
            "2026-01-01",
            "2026-01-01T00:00:30",
            "1e3",
            "-PT5S",
            "30 seconds ago",
            "\"",
            "\u{e9}",
        ] {
            check_value(name, value, None);
        }
        for value in ["0", "0s", "1704067200", "1704067200000", "2025-12-31T23:59:59Z", "1767225600"] {
            check_value(name, value, None);
        }
    }
}

#[test]
fn the_name_says_what_a_number_counts() {
    for (name, value, expected_ms) in [
        ("x-ratelimit-retry-after", "1704067200", 1_704_067_200_000),
        ("x-ratelimit-retry-after", "30", 30_000),
        ("x-ratelimit-retry-after", "1767225660", 60_000),
        ("x-ratelimit-retryafter", "1767225660", 60_000),
        ("x-retry-after", "1767225660.5", 60_500),
        ("x-ratelimit-retry-after", "1798761600", 31_536_000_000),
        // An epoch that is too far away is a delay.
        ("x-ratelimit-retry-after", "1830384000", 1_830_384_000_000),
        ("x-ratelimit-retry-after", "1767139199", 1_767_139_199_000),
        ("x-ratelimit-towait-sec", "181", 181_000),
        ("x-retry-in", "409.8ms", 410),
        ("retry-after-seconds", "30", 30_000),
        ("x-weave-backoff", "30", 30_000),
        ("backoff", "30", 30_000),
        ("x-ratelimit-timeremaining", "30", 30_000),
        ("x-rate-limit-remaining-seconds", "30", 30_000),
        ("x-codex-primary-reset-after-seconds", "30", 30_000),
        ("x-keap-product-quota-expiry-time", "2026-01-01T00:00:30Z", 30_000),
        ("x-ratelimit-reset-minutes", "2", 120_000),
        ("x-quota-reset-hours", "2", 7_200_000),
        // This one counts the quota of a minute.
        ("x-ratelimit-reset-tokens-minute", "2", 2_000),
        ("x-ratelimit-retry-after", "2026-01-01T00:00:30Z", 30_000),
        ("x-ratelimit-reset-after", "0.64", 640),
        ("x-ratelimit-reset-after", "1704067200", 1_704_067_200_000),
        ("x-toggl-quota-resets-in", "7", 7_000),
        ("x-ratelimit-reset-ms", "640", 640),
        ("x-ratelimit-reset-ms", "1767225642000", 42_000),
        ("x-rate-limit-retry-after-milliseconds", "250", 250),
        ("gw-ratelimit-reset", "15005", 15_005),
        // The `ms` of these is a vendor's.
        ("x-ms-ratelimit-reset", "30", 30_000),
        ("x-ms-retry-after", "30", 30_000),
        ("x-ms-ratelimit-reset-ms", "30", 30),
        ("x-ms-user-quota-resets-after", "00:00:05", 5_000),
        ("x-ratelimit-next", "2026-01-01T00:00:30Z", 30_000),
        ("ratelimit-resettime", "Thu, 01 Jan 2026 00:00:30 GMT", 30_000),
        ("beta-retry-after", "30", 30_000),
        ("x-retry-after", "30", 30_000),
        ("x-retry-after-ms", "30", 30),
    ] {
        check_value(name, value, expected_ms);
    }
}

#[test]
fn a_name_without_a_limit_or_a_reset_gives_no_hint() {
    for name in [
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-resource",
        "ratelimit-policy",
        "x-reset",
        "x-preset-limits",
        "content-next",
        "no-retry-afterwards",
        "x-retry-after-count",
        "x-retry-interval",
        "x-backoff-policy",
        "x-max-wait",
        "x-seconds-remaining",
        "reset-after",
        "nextlimit",
        "retry_after",
    ] {
        check_value(name, "30", (name == "x-preset-limits").then_some(30_000));
    }
}

#[test]
fn a_quota_counts_if_it_is_used_up_or_the_status_is_a_limit() {
    for (name, remaining) in [
        ("ratelimit-reset", "ratelimit-remaining"),
        ("x-ratelimit-reset", "x-ratelimit-remaining"),
        ("x-rate-limit-reset", "x-rate-limit-remaining"),
        ("x-ratelimit-retry-after", "x-ratelimit-remaining"),
        ("x-contentful-ratelimit-reset", "x-contentful-ratelimit-remaining"),
        ("x-ratelimit-reset-after", "x-ratelimit-remaining"),
        ("x-gate-ratelimit-reset-timestamp", "x-gate-ratelimit-remain"),
        ("x-keap-product-quota-expiry-time", "x-keap-product-quota-available"),
        ("x-ratelimit-reset", "x-ratelimit-left"),
        ("x_rate_limit_reset", "x_rate_limit_remaining"),
    ] {
        let label = LABELS.into_iter().find(|label| *label == name).unwrap_or(OTHERS);
        for (status, rest, counts) in [
            (429, None, true),
            (429, Some("0"), true),
            (429, Some("-1"), true),
            // The request may cost more than ten.
            (429, Some("10"), true),
            (509, None, true),
            (200, Some("0"), true),
            (200, Some("17"), false),
            // GitHub sends this.
            (403, Some("0"), true),
            (403, Some("10"), false),
            (403, None, false),
            (503, Some("0;w=60"), true),
            (503, None, false),
            (503, Some("none"), false),
        ] {
            let rest = rest.map(|rest| (remaining, rest));
            let lines: Vec<_> = [(name, "60")].into_iter().chain(rest).collect();
            check(status, &lines, label, counts.then_some(60_000));
        }
    }
    check(503, &[("x-ratelimit-reset", "60"), ("ratelimit-remaining", "0")], "x-ratelimit-reset", None);
}

#[test]
fn of_several_kinds_only_those_that_are_used_up_count() {
    let requests =
        |rest, reset| [("x-ratelimit-remaining-requests", rest), ("x-ratelimit-reset-requests", reset)];
    let tokens = |rest, reset| [("x-ratelimit-remaining-tokens", rest), ("x-ratelimit-reset-tokens", reset)];
    let (of_requests, of_tokens) = ("x-ratelimit-reset-requests", "x-ratelimit-reset-tokens");
    for (quotas, label, expected_ms) in [
        ([requests("0", "6m0s"), tokens("4000", "9m0s")], of_requests, Some(360_000)),
        ([requests("59", "9m0s"), tokens("0", "76ms")], of_tokens, Some(76)),
        ([requests("59", "9m0s"), tokens("0", "12")], of_tokens, Some(12_000)),
        ([requests("0", "1s"), tokens("0", "6s")], of_tokens, Some(6_000)),
        ([requests("0", "2m59.56s"), tokens("0", "6s")], of_requests, Some(179_560)),
        ([requests("0", "1s"), tokens("0", "soon")], of_requests, Some(1_000)),
        ([requests("59", "1s"), tokens("4000", "6m0s")], of_tokens, None),
        // Azure sends this for quotas that it does not know.
        ([requests("10", "0"), tokens("-1", "0")], of_tokens, None),
        ([requests("0", "0s"), tokens("0", "0ms")], of_tokens, None),
        ([requests("0", "1s"), tokens("-1", "0")], of_requests, Some(1_000)),
    ] {
        check(429, quotas.concat().as_slice(), label, expected_ms);
    }
    let days = [
        ("x-ratelimit-remaining-tokens-minute", "0"),
        ("x-ratelimit-reset-tokens-minute", "2"),
        ("x-ratelimit-remaining-requests-day", "5"),
        ("x-ratelimit-reset-requests-day", "40000"),
    ];
    check(429, &days, OTHERS, 2_000);
    // The kind may stand before the word too.
    let linear = [
        ("x-ratelimit-requests-remaining", "1499"),
        ("x-ratelimit-requests-reset", "1767225660000"),
        ("x-ratelimit-complexity-remaining", "0"),
        ("x-ratelimit-complexity-reset", "1767225630000"),
    ];
    check(429, &linear, OTHERS, 30_000);
    // A quota that is used up outranks one of another family that has something left.
    let plain = [("x-ratelimit-remaining", "3"), ("x-ratelimit-reset", "900")];
    check(429, [plain, tokens("0", "6s")].concat().as_slice(), of_tokens, 6_000);
    check(429, &[("x-ratelimit-reset-tokens", "6s")], of_tokens, 6_000);
}

#[test]
fn each_quota_of_anthropic_counts() {
    for quota in ["requests", "tokens", "input-tokens", "output-tokens", "priority-input-tokens", "new"] {
        let names = ["remaining", "reset"].map(|word| format!("anthropic-ratelimit-{quota}-{word}"));
        for (rest, expected_ms) in [("0", Some(30_000)), ("1", None)] {
            let lines = [(names[0].as_str(), rest), (names[1].as_str(), "2026-01-01T00:00:30Z")];
            check(429, &lines, ANTHROPIC, expected_ms);
        }
    }
    let plan = [
        ("anthropic-ratelimit-unified-5h-status", "rejected"),
        ("anthropic-ratelimit-unified-5h-reset", "1767225660"),
        ("anthropic-ratelimit-unified-7d-status", "allowed_warning"),
        ("anthropic-ratelimit-unified-7d-reset", "1767525660"),
    ];
    check(429, &plan, ANTHROPIC, 60_000);
}

#[test]
fn the_servers_clock_sets_the_time() {
    let date = ("date", "Wed, 31 Dec 2025 23:59:53 GMT");
    for value in ["1767225603", "1767225603000", "2026-01-01T00:00:03Z", "Thu, 01 Jan 2026 00:00:03 GMT"] {
        check(429, &[date, ("x-ratelimit-reset", value)], "x-ratelimit-reset", 10_000);
    }
    check(429, &[date, ("x-ratelimit-reset", "3")], "x-ratelimit-reset", 3_000);
}

#[test]
fn a_quota_may_stand_in_the_fields_of_one_header() {
    let tickets = ("zendesk-ratelimit-tickets-index", "total=100; remaining=0; resets=55");
    check(429, &[tickets], OTHERS, 55_000);
    check(429, &[("zendesk-ratelimit-tickets-index", "total=100; remaining=9; resets=55")], OTHERS, None);
    let reset = |value| ("x-rate-limit-reset", value);
    let trakt = |rest| {
        format!(r#"{{"name":"X","period":300,"limit":1,"remaining":{rest},"until":"2026-01-01T00:00:09Z"}}"#)
    };
    check(429, &[("x-ratelimit", &trakt(0))], OTHERS, 9_000);
    check(429, &[("x-ratelimit", &trakt(1))], OTHERS, None);
    check(429, &[reset("60"), tickets], OTHERS, 55_000);
    check(429, &[reset("60"), ("x-rate-limit-remaining", "0"), tickets], "x-rate-limit-reset", 60_000);
    check(429, &[reset("50"), ("x-rate-limit-remaining", "0"), tickets], OTHERS, 55_000);
}

#[test]
fn a_percentage_that_was_used_tells_the_rest() {
    let plan = |primary, secondary| {
        [
            ("x-codex-primary-used-percent", primary),
            ("x-codex-primary-reset-after-seconds", "300"),
            ("x-codex-secondary-used-percent", secondary),
            ("x-codex-secondary-reset-after-seconds", "400000"),
        ]
    };
    check(429, &plan("100", "31"), OTHERS, 300_000);
    check(429, &plan("99.5", "100.0"), OTHERS, 400_000_000);
    check(429, &plan("99", "31"), OTHERS, None);
    check(503, &plan("100", "31"), OTHERS, 300_000);
}

#[test]
fn too_large_is_a_very_long_delay() {
    for value in ["18446744073709551615", &"9".repeat(400)] {
        for name in ["ratelimit-reset", "x-ratelimit-reset", "x-ratelimit-retry-after", "x-limit-reset-ms"] {
            let (hint, _) = HintedResponse::default().with(name, value).hint().unwrap();
            assert!(hint.delay().unwrap().as_secs() > 1 << 40, "{name}: {hint:?}");
        }
    }
}
