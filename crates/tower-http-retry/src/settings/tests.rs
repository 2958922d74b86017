use serde_json::json;

use super::*;
use crate::presets;

const ALL: &str = r#"
    max_attempts = 5
    max_elapsed = "1m 30s"
    budget = { percent = 7, min_per_second = 3, capacity = 40 }
    replay_limit = 1024
    drain_limit = { bytes = 2048, time = "5ms" }
    ignore_hints = true
    attempt_header = "X-Retry-Attempt"
    backoff = { base = "250ms", cap = "PT4S", multiplier = 3, jitter = "none" }
"#;

fn from_toml(text: &str) -> RetrySettings {
    toml::from_str(text).unwrap()
}

/// Checks that a layer with the settings in `text` equals a layer that was set up by hand.
#[track_caller]
fn check(text: &str, by_hand: RetryLayer) {
    assert_eq!(debug(from_toml(text).layer()), debug(by_hand), "{text}");
}

fn debug(layer: RetryLayer) -> String {
    let config = layer.clone().into_config();
    format!("{layer:?} {:?} {:?} {:?}", config.reads_hints, config.drain, config.attempt_header)
}

#[test]
fn every_key_has_the_effect_of_its_setter() {
    let backoff = ExponentialBackoff::new(Duration::from_millis(250), Duration::from_secs(4))
        .multiplier(3.0)
        .jitter(Jitter::None);
    let budget = || Budget::percent(7).min_per_second(3).capacity(40);
    let by_hand = RetryLayer::new(RetryAfterFirst::new(backoff))
        .max_attempts(5)
        .max_elapsed(Duration::from_secs(90))
        .budget(budget())
        .replay_limit(1024)
        .drain_limit(2048, Duration::from_millis(5))
        .ignore_hints()
        .attempt_header(HeaderName::from_static("x-retry-attempt"));
    check(ALL, by_hand);
}

#[test]
fn an_empty_table_is_the_default_layer() {
    check("", RetryLayer::default());
    assert_eq!(from_toml("").policy(), RetryAfterFirst::default());
    let by_hand = RetryLayer::default();
    check("drain_limit = {}\nbackoff = {}\nbudget = {}", by_hand);
}

#[test]
fn a_missing_key_of_a_table_has_its_default() {
    check("drain_limit = { bytes = 1 }", RetryLayer::default().drain_limit(1, Duration::from_millis(10)));
    check(
        "drain_limit = { time = '1s' }",
        RetryLayer::default().drain_limit(16 * 1024, Duration::from_secs(1)),
    );
    check(
        "budget = { min_per_second = 50 }",
        RetryLayer::default().budget(Budget::default().min_per_second(50)),
    );
    let backoff = ExponentialBackoff::new(Duration::from_secs(1), Duration::from_secs(10));
    check("backoff.base = '1s'", RetryLayer::new(RetryAfterFirst::new(backoff)));
}

#[test]
fn false_removes_a_limit() {
    check("max_elapsed = false\nbudget = false", RetryLayer::default().max_elapsed(None).budget(None));
}

#[test]
fn the_smallest_allowed_values_are_accepted() {
    let backoff = ExponentialBackoff::new(Duration::ZERO, Duration::ZERO).multiplier(1.0);
    let by_hand = RetryLayer::new(RetryAfterFirst::new(backoff))
        .max_attempts(1)
        .max_elapsed(Duration::ZERO)
        .budget(Budget::percent(0).min_per_second(0).capacity(0))
        .replay_limit(0);
    let text = r#"
        max_attempts = 1
        max_elapsed = "0s"
        budget = { percent = 0, min_per_second = 0, capacity = 0 }
        replay_limit = 0
        backoff = { base = "0s", cap = "0s", multiplier = 1 }
    "#;
    check(text, by_hand);
}

#[test]
fn a_budget_from_settings_has_the_ratio_and_capacity_of_the_settings() {
    let budget = from_toml(ALL).budget.flatten().map(Budget::from).unwrap();
    assert_eq!(budget.tokens(), 40.0);
    let all = http_retry::RetryCost::from_thousandths(40_000);
    budget.withdraw(all, Duration::ZERO).unwrap().commit();
    budget.deposit();
    assert_eq!(budget.tokens(), 0.07);
    assert!(
        budget.withdraw(http_retry::RetryCost::from_thousandths(3_070), Duration::from_millis(999)).is_none()
    );
    assert!(
        budget.withdraw(http_retry::RetryCost::from_thousandths(3_070), Duration::from_secs(1)).is_some()
    );
}

#[test]
fn a_setting_that_the_file_does_not_name_stays() {
    let layer =
        presets::llm::<crate::markers::Concrete>().ignore_hints().settings(&from_toml("max_attempts = 9"));
    let config = layer.into_config();
    assert_eq!((config.max_attempts, config.max_elapsed), (9, Some(Duration::from_secs(600))));
    assert!(!config.reads_hints && config.pace.is_some());

    let layer = presets::llm::<crate::markers::Concrete>()
        .ignore_hints()
        .settings(&from_toml("ignore_hints = false"));
    assert!(layer.into_config().reads_hints);
}

const PACE_KEYS: &str = "\"authority\", \"credential\" or \"header:NAME\"";

#[test]
fn a_pace_has_the_key_of_the_settings() {
    for (text, expected) in [
        ("", None),
        (r#"pace = "authority""#, Some(PaceKey::Authority)),
        (r#"pace = "credential""#, Some(PaceKey::Credential)),
        (r#"pace = "header:X-Tenant""#, Some(PaceKey::Header(http::HeaderName::from_static("x-tenant")))),
    ] {
        let settings = from_toml(text);
        assert_eq!((settings.pace().is_some(), &settings.pace), (expected.is_some(), &expected), "{text}");
        // The layer has a pace only where the program sets it, because a pace changes the layer's error.
        assert!(RetryLayer::<_>::into_config(settings.layer()).pace.is_none());
    }
}

#[test]
fn each_layer_has_a_budget_of_its_own() {
    let settings = from_toml("budget = { capacity = 2 }");
    let [one, other] = [(); 2].map(|()| RetryLayer::<_>::into_config(settings.layer()).budget.unwrap());
    one.withdraw(http_retry::RetryCost::TWO, Duration::ZERO).unwrap().commit();
    assert_eq!((one.tokens(), other.tokens()), (0.0, 2.0));
}

#[test]
fn json_and_toml_give_the_same_settings() {
    let json = json!({
        "max_attempts": 5,
        "max_elapsed": "1m 30s",
        "budget": { "percent": 7, "min_per_second": 3, "capacity": 40 },
        "replay_limit": 1024,
        "drain_limit": { "bytes": 2048, "time": "5ms" },
        "ignore_hints": true,
        "attempt_header": "X-Retry-Attempt",
        "backoff": { "base": "250ms", "cap": "PT4S", "multiplier": 3, "jitter": "none" },
    });
    let expected = from_toml(ALL);
    assert_eq!(serde_json::from_str::<RetrySettings>(&json.to_string()).unwrap(), expected);
    assert_eq!(serde_json::from_value::<RetrySettings>(json).unwrap(), expected);
}

#[test]
fn an_error_names_the_field_the_value_and_the_allowed_values() {
    for (field, value, given, allowed) in [
        ("max_attempts", json!(0), "integer `0`", "a whole number from 1 to 4294967295"),
        (
            "attempt_header",
            json!("content-length"),
            "string \"content-length\"",
            "the name of a header such as \"x-retry-attempt\", and not one that HTTP gives a meaning",
        ),
        (
            "attempt_header",
            json!("Host"),
            "string \"Host\"",
            "the name of a header such as \"x-retry-attempt\", and not one that HTTP gives a meaning",
        ),
        ("max_attempts", json!(-1), "integer `-1`", "a whole number from 1 to 4294967295"),
        (
            "max_attempts",
            json!(4_294_967_296_u64),
            "integer `4294967296`",
            "a whole number from 1 to 4294967295",
        ),
        ("max_attempts", json!(2.5), "floating point `2.5`", "a whole number from 1 to 4294967295"),
        ("max_attempts", json!("three"), "string \"three\"", "a whole number from 1 to 4294967295"),
        ("max_attempts", json!(true), "boolean `true`", "a whole number from 1 to 4294967295"),
        ("max_elapsed", json!("soon"), "string \"soon\"", "a duration such as \"30s\", or false"),
        ("max_elapsed", json!("-1s"), "string \"-1s\"", "a duration such as \"30s\", or false"),
        ("max_elapsed", json!(30), "integer `30`", "a duration such as \"30s\", or false"),
        ("max_elapsed", json!(true), "boolean `true`", "a duration such as \"30s\", or false"),
        ("replay_limit", json!("64KiB"), "string \"64KiB\"", "a whole number of bytes"),
        ("budget.percent", json!(-20), "integer `-20`", "a whole number from 0 to 4294967295"),
        ("budget.min_per_second", json!(0.5), "floating point `0.5`", "a whole number from 0 to 4294967295"),
        ("budget.capacity", json!("10"), "string \"10\"", "a whole number from 0 to 4294967295"),
        ("drain_limit.bytes", json!(false), "boolean `false`", "a whole number of bytes"),
        ("drain_limit.time", json!(10), "integer `10`", "a duration such as \"10ms\""),
        ("ignore_hints", json!("yes"), "string \"yes\"", "true or false"),
        (
            "attempt_header",
            json!("two words"),
            "string \"two words\"",
            "the name of a header such as \"x-retry-attempt\", and not one that HTTP gives a meaning",
        ),
        ("pace", json!("host"), "string \"host\"", PACE_KEYS),
        ("pace", json!("header:"), "string \"header:\"", PACE_KEYS),
        ("pace", json!("header:two words"), "string \"header:two words\"", PACE_KEYS),
        ("pace", json!(true), "boolean `true`", PACE_KEYS),
        ("backoff.base", json!("1"), "string \"1\"", "a duration such as \"100ms\""),
        ("backoff.cap", json!(false), "boolean `false`", "a duration such as \"10s\""),
        ("backoff.multiplier", json!(0.9), "floating point `0.9`", "a number from 1"),
        ("backoff.jitter", json!("half"), "string \"half\"", "\"full\", \"equal\" or \"none\""),
    ] {
        let expected = format!("invalid value: {given}, expected `{field}` to be {allowed}");
        let object = match field.split_once('.') {
            Some((table, key)) => json!({ table: { key: value } }),
            None => json!({ field: value }),
        };
        let error = serde_json::from_value::<RetrySettings>(object.clone()).unwrap_err();
        assert_eq!(error.to_string(), expected);
        // TOML gives the same error.
        let text = toml::to_string(&object).unwrap();
        let error = toml::from_str::<RetrySettings>(&text).unwrap_err();
        assert_eq!(error.message(), expected, "{text}");
        assert!(error.span().is_some(), "{text}");
    }
}

#[test]
fn values_of_another_type_and_unknown_keys_are_named() {
    for (text, expected) in [
        (
            r#"{"max_elapsed": null}"#,
            r#"invalid type: null, expected `max_elapsed` to be a duration such as "30s", or false at line 1 column 20"#,
        ),
        (
            r#"{"budget": true}"#,
            "invalid value: boolean `true`, expected `budget` to be a table of `percent`, `min_per_second` and \
             `capacity`, or false at line 1 column 15",
        ),
        (
            r#"{"budget": 20}"#,
            "invalid type: integer `20`, expected `budget` to be a table of `percent`, `min_per_second` and \
             `capacity`, or false at line 1 column 13",
        ),
        (
            r#"{"drain_limit": 5}"#,
            "invalid type: integer `5`, expected `drain_limit` to be a table of `bytes` and `time` at line 1 column 17",
        ),
        (
            r#"{"backoff": "1s"}"#,
            "invalid type: string \"1s\", expected `backoff` to be a table of `base`, `cap`, `multiplier` and `jitter` \
             at line 1 column 16",
        ),
        (
            r#"{"attempts": 3}"#,
            "unknown field `attempts`, expected one of `max_attempts`, `max_elapsed`, `budget`, `replay_limit`, \
             `drain_limit`, `ignore_hints`, `attempt_header`, `pace`, `backoff` at line 1 column 11",
        ),
        (
            r#"{"budget": {"floor": 3}}"#,
            "unknown field `floor`, expected one of `percent`, `min_per_second`, `capacity` at line 1 column 19",
        ),
        ("3", "invalid type: integer `3`, expected a table of retry settings at line 1 column 1"),
    ] {
        let error = serde_json::from_str::<RetrySettings>(text).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}
