use http::Response;

use super::*;

fn response(status: u16, lines: &[(&str, &str)]) -> Response<()> {
    let builder = Response::builder().status(status);
    let builder = lines.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
    builder.body(()).unwrap()
}

fn read(status: u16, lines: &[(&str, &str)]) -> Evidence {
    let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    Evidence::read(&ResponseHead::from(&response(status, lines)), wall)
}

#[track_caller]
fn check(
    status: u16,
    lines: &[(&str, &str)],
    scope: impl Into<Option<Scope>>,
    hint_ms: impl Into<Option<u64>>,
) {
    let refusal = read(status, lines).refusal;
    assert_eq!(refusal.map(|refusal| refusal.scope), scope.into(), "{status} {lines:?}");
    let hint = refusal.and_then(|refusal| refusal.hint);
    assert_eq!(hint, hint_ms.into().map(Duration::from_millis), "{status} {lines:?}");
}

#[test]
fn a_limit_concerns_the_key_and_an_unwell_server_everybody() {
    let gone = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "30")];
    check(429, &[], Scope::Key, None);
    check(429, &[("retry-after", "2")], Scope::Key, 2_000);
    check(403, &gone, Scope::Key, 30_000);
    check(403, &[("ratelimit", r#""a";r=0;t=30"#)], Scope::Key, 30_000);
    check(403, &[("x-rate-limit-remaining", "0")], Scope::Key, None);
    check(403, &[("retry-after", "60")], Scope::Key, 60_000);
    check(403, &[("x-ratelimit-remaining", "10")], None, None);
    check(403, &[("retry-after", "soon")], None, None);
    check(503, &gone, Scope::Key, 30_000);
    check(503, &[], Scope::Server, None);
    check(503, &[("retry-after", "5")], Scope::Server, 5_000);
    check(529, &[("retry-after", "5")], Scope::Server, 5_000);
    for status in [400, 413, 423, 449, 509] {
        check(status, &[("retry-after", "5")], Scope::Key, 5_000);
        check(status, &gone, Scope::Key, 30_000);
        check(status, &[("retry-after", "soon")], None, None);
        check(status, &[], None, None);
    }
    for status in [200, 204, 302, 401, 404, 500, 502, 504] {
        check(status, &[("retry-after", "5")], None, None);
        check(status, &gone, None, None);
    }
}

#[test]
fn a_hint_of_zero_or_one_that_cannot_be_read_is_none() {
    for value in ["0", "0.0", "-1", "", "soon"] {
        check(429, &[("retry-after", value)], Scope::Key, None);
    }
}

#[test]
fn a_pushback_concerns_its_request_alone() {
    check(429, &[(hint::PUSHBACK, "20")], Scope::Request, 20);
    check(503, &[(hint::PUSHBACK, "-1")], Scope::Request, None);
    check(200, &[(hint::PUSHBACK, "20"), ("grpc-status", "14")], Scope::Request, 20);
    check(200, &[(hint::PUSHBACK, "20"), ("grpc-status", "0")], None, None);
}

#[cfg(feature = "grpc")]
#[test]
fn a_grpc_call_is_refused_by_its_status() {
    // A `RetryInfo` of 7 s.
    let details = "GjAKKHR5cGUuZ29vZ2xlYXBpcy5jb20vZ29vZ2xlLnJwYy5SZXRyeUluZm8SBAoCCAc=";
    check(200, &[("grpc-status", "8"), ("grpc-status-details-bin", details)], Scope::Key, 7_000);
    check(200, &[("grpc-status", "8")], Scope::Server, None);
    check(200, &[("grpc-status", "8"), ("retry-after", "3")], Scope::Server, 3_000);
    check(200, &[("grpc-status", "14"), ("grpc-status-details-bin", details)], Scope::Server, 7_000);
    check(200, &[("grpc-status", "13")], None, None);
}

#[track_caller]
fn check_precise(lines: &[(&str, &str)], expected: bool) {
    assert_eq!(read(429, lines).refusal.unwrap().is_precise, expected, "{lines:?}");
}

#[test]
fn milliseconds_and_fractions_are_precise_and_dates_are_not() {
    check_precise(&[("retry-after-ms", "12")], true);
    check_precise(&[("retry-after-ms", "1000")], true);
    check_precise(&[("retry-after", "1.5")], true);
    check_precise(&[("retry-after", "1.0")], false);
    check_precise(&[("retry-after", "2")], false);
    check_precise(&[("retry-after", "Thu, 01 Jan 2026 00:00:30 GMT")], false);
    check_precise(&[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "76ms")], true);
    check_precise(&[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "6m0s")], false);
    let date = [
        ("anthropic-ratelimit-tokens-remaining", "0"),
        ("anthropic-ratelimit-tokens-reset", "2026-01-01T00:00:30.5Z"),
    ];
    check_precise(&date, false);
    check_precise(&[], false);
}

/// The unit, limit, remaining, reset in milliseconds and meaning of each quota.
type Row = (Unit, Option<u64>, u64, u64, Means);

#[track_caller]
fn check_announced(lines: &[(&str, &str)], expected: &[Row]) {
    let announced = read(200, lines).announced;
    let rows: Vec<Row> = announced
        .iter()
        .map(|a| (a.unit, a.limit, a.remaining, a.reset.as_millis() as u64, a.means))
        .collect();
    assert_eq!(rows, expected, "{lines:?}");
    assert_eq!(announced.capacity() == 0, expected.is_empty());
}

use Means::{FullAgain, WindowEnds};

#[test]
fn open_ai_announces_requests_and_tokens() {
    let lines = [
        ("x-ratelimit-limit-requests", "60"),
        ("x-ratelimit-remaining-requests", "59"),
        ("x-ratelimit-reset-requests", "1s"),
        ("x-ratelimit-limit-tokens", "150000"),
        ("x-ratelimit-remaining-tokens", "149984"),
        ("x-ratelimit-reset-tokens", "6ms"),
    ];
    check_announced(
        &lines,
        &[
            (Unit::Requests, Some(60), 59, 1_000, FullAgain),
            (Unit::Units, Some(150_000), 149_984, 6, FullAgain),
        ],
    );
}

#[test]
fn a_quota_that_cannot_be_read_or_says_nothing_is_left_out() {
    for [limit, remaining, reset] in [
        ["60", "-1", "0"],
        ["60", "10", "0"],
        ["60", "59", "soon"],
        ["0", "0", "1s"],
        ["", "10", "1s"],
        ["60", "18446744073709551616", "1s"],
        ["60", "\u{e9}", "1s"],
    ] {
        let lines = [
            ("x-ratelimit-limit-tokens", limit),
            ("x-ratelimit-remaining-tokens", remaining),
            ("x-ratelimit-reset-tokens", reset),
        ];
        check_announced(&lines, &[]);
    }
    check_announced(&[("x-ratelimit-remaining-images", "3"), ("retry-after", "3")], &[]);
    // Azure names no size. An empty quota still has an end.
    check_announced(
        &[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "7")],
        &[(Unit::Units, None, 0, 7_000, WindowEnds)],
    );
}

#[test]
fn anthropic_announces_dates() {
    let lines = [
        ("anthropic-ratelimit-input-tokens-limit", "30000"),
        ("anthropic-ratelimit-input-tokens-remaining", "28000"),
        ("anthropic-ratelimit-input-tokens-reset", "2026-01-01T00:00:04Z"),
    ];
    check_announced(&lines, &[(Unit::Units, Some(30_000), 28_000, 4_000, FullAgain)]);
    assert_eq!(read(200, &lines).announced[0].granule, 1_000);
}

#[test]
fn windows_are_announced_by_ietf_and_github() {
    let (list, policy) = (r#""a";r=5;t=30, "tokens";r=7, "none";r=1"#, r#""a";q=10;w=60, "tokens";q=9;w=4"#);
    check_announced(
        &[("ratelimit", list), ("ratelimit-policy", policy)],
        &[(Unit::Requests, Some(10), 5, 30_000, WindowEnds), (Unit::Units, Some(9), 7, 4_000, WindowEnds)],
    );
    check_announced(
        &[("ratelimit", "limit=100, remaining=40, reset=5")],
        &[(Unit::Requests, Some(100), 40, 5_000, WindowEnds)],
    );
    check_announced(
        &[("ratelimit-limit", "100, 100;w=60"), ("ratelimit-remaining", "50"), ("ratelimit-reset", "9")],
        &[(Unit::Requests, Some(100), 50, 9_000, WindowEnds)],
    );
    check_announced(
        &[
            ("x-ratelimit-limit", "5000"),
            ("x-ratelimit-remaining", "4999"),
            ("x-ratelimit-reset", "1767225660"),
        ],
        &[(Unit::Requests, Some(5_000), 4_999, 60_000, WindowEnds)],
    );
}

#[test]
fn names_tell_quotas_apart_and_stay_the_same() {
    let line = ("ratelimit", r#""a";r=0;t=30, "b";r=0;t=30"#);
    let [first, second] = [0, 1].map(|index| read(200, &[line]).announced[index].name);
    assert_ne!(first, second);
    assert_eq!(first, read(200, &[("ratelimit", r#""a";r=0;t=9"#)]).announced[0].name);
}

#[test]
fn quotas_of_named_resources_are_alternatives() {
    let quota = |resource: &[_]| {
        let quota = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "30")];
        read(200, &[&quota[..], resource].concat()).announced[0]
    };
    for header in ["x-ratelimit-resource", "x-ratelimit-bucket", "ratelimit-name"] {
        let [core, search] = ["core", "search"].map(|name| quota(&[(header, name)]));
        assert_ne!(core.name, search.name);
        assert!(core.alternatives.is_some());
        assert_eq!(core.alternatives, search.alternatives);
    }
    assert_eq!(quota(&[]).alternatives, None);
}

#[test]
fn a_rest_may_have_a_fraction() {
    let rest = |value| {
        let lines =
            [("x-ratelimit-limit", "10"), ("x-ratelimit-remaining", value), ("x-ratelimit-reset", "30")];
        read(200, &lines).announced.first().map(|quota| quota.remaining)
    };
    assert_eq!(["0.0", "5.9", "7"].map(rest), [Some(0), Some(5), Some(7)]);
    assert_eq!(["5.", ".5", "5.x", "-1.0", "1.2.3"].map(rest), [None; 5]);
}

#[test]
fn the_list_is_bounded() {
    let many = vec!["a;r=0;t=5"; 1_000].join(", ");
    assert_eq!(read(200, &[("ratelimit", &many)]).announced.len(), 8);
}

#[test]
fn only_a_head_without_any_word_on_limits_is_plainly_served() {
    let is_plain = |status, lines: &[_]| is_plainly_served(&ResponseHead::from(&response(status, lines)));
    assert!(is_plain(200, &[("content-type", "text/html"), ("x-request-id", "7")]));
    assert!(is_plain(404, &[]));
    for status in [400, 403, 413, 423, 429, 449, 509, 529] {
        assert!(!is_plain(status, &[]));
    }
    assert!(!is_plain(503, &[]));
    assert!(!is_plain(200, &[("ratelimit", "x")]));
    assert!(!is_plain(200, &[("x-rate-limit-remaining", "1")]));
    assert!(!is_plain(200, &[("anthropic-ratelimit-tokens-limit", "1")]));
    assert!(!is_plain(200, &[(hint::PUSHBACK, "1")]));
}
