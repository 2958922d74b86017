//! The defaults of profiles, and the keys that outrank them.

use std::time::Duration;

use http::StatusCode;

use super::*;

/// Parses the minimal file with the profile `llm`, and with more lines in its upstream and in its route.
#[track_caller]
fn llm(upstream: &str, route: &str) -> Config {
    config(&file("", upstream, &format!("profile = \"llm\"\n{route}")))
}

#[test]
fn llm_has_its_documented_defaults() {
    let config = llm("", "");
    let mut expected = super::config(&file("", "", ""));
    let route = &mut expected.routes[0];
    route.profile = Profile::Llm;
    route.timeout = Duration::from_secs(600);
    let retry = route.retry.as_mut().unwrap();
    retry.per_try_timeout = None;
    retry.back_off.base_interval = Duration::from_millis(500);
    retry.back_off.max_interval = Duration::from_secs(8);
    retry.rate_limited_back_off.max_interval = Duration::from_secs(120);
    retry.rate_limited_back_off.spread = 0.0;
    retry.num_retries = 3;
    retry.peek_quota = true;
    retry.request_body_buffer_limit = 1 << 20;
    retry.hold_event_stream = Some(Duration::from_secs(10));
    retry.methods = RetryMethods::IdempotentOrThrottled;
    let retryable = (500..=599).chain([408, 409]).filter(|code| ![501, 505].contains(code));
    retry.retry_on.statuses.extend(retryable.map(|code| StatusCode::from_u16(code).unwrap()));
    let key = PaceKey::CredentialAndModel;
    let pace = PaceConfig { key, longest: Duration::from_secs(120), ..PaceConfig::default() };
    expected.upstreams.get_mut("api").unwrap().pace = Some(pace);
    assert_eq!(config, expected);
}

#[test]
fn default_holds_without_a_profile() {
    assert_eq!(config(&file("", "", "profile = \"default\"")), config(&file("", "", "")));
}

#[test]
fn keys_in_the_file_outrank_the_profile() {
    let route = llm("", "timeout = \"30s\"\n[routes.retry]\nper_try_timeout = \"3s\"\nnum_retries = 1")
        .routes
        .remove(0);
    assert_eq!(route.timeout, Duration::from_secs(30));
    let retry = route.retry.unwrap();
    assert_eq!(retry.per_try_timeout, Some(Duration::from_secs(3)));
    assert_eq!(retry.num_retries, 1);
    // The other defaults are still those of the profile.
    assert_eq!(retry.methods, RetryMethods::IdempotentOrThrottled);

    let retry = |line: &str| llm("", &format!("[routes.retry]\n{line}")).routes.remove(0).retry.unwrap();
    assert_eq!(retry("methods = \"all\"").methods, RetryMethods::All);
    assert_eq!(retry("methods = \"idempotent\"").methods, RetryMethods::Idempotent);
    let after = retry("rate_limited_back_off = { max_interval = \"5s\" }").rate_limited_back_off;
    assert_eq!((after.max_interval, after.spread), (Duration::from_secs(5), 0.0));
    assert!(retry("retry_on = []").retry_on.statuses.is_empty());
    assert!(!retry("peek_quota = false").peek_quota);
    assert_eq!(retry("hold_event_stream = false").hold_event_stream, None);
}

#[test]
fn the_pace_of_a_profile_can_be_changed_and_switched_off() {
    let pace = |lines: &str| llm(lines, "").upstreams["api"].pace.clone();
    assert_eq!(pace("pace = false"), None);
    let changed = pace("pace = { key = \"header:x-api-key\" }").unwrap();
    assert_eq!(changed.key, PaceKey::Header("x-api-key".parse().unwrap()));
    assert_eq!(changed.longest, Duration::from_secs(120), "the other defaults are those of the profile");
    assert_eq!(pace("pace = {}").unwrap().key, PaceKey::CredentialAndModel);
    assert_eq!(llm("pace = false", "").routes[0].retry.as_ref().unwrap().rate_limited_back_off.spread, 1.0);
}

#[test]
fn only_upstreams_of_the_profile_have_its_pace() {
    let config = config(
        r#"
        listen = "127.0.0.1:8080"
        upstreams.models.endpoints = ["https://models.example"]
        upstreams.shop.endpoints = ["https://shop.example"]
        [[routes]]
        path_prefix = "/models"
        upstream = "models"
        profile = "llm"
        [[routes]]
        upstream = "shop"
        "#,
    );
    assert!(config.upstreams["models"].pace.is_some());
    assert_eq!(config.upstreams["shop"].pace, None);
    assert_eq!(config.routes[1].retry.as_ref().unwrap().rate_limited_back_off.spread, 1.0);
}

#[test]
fn the_first_route_with_a_profile_decides_on_the_upstream() {
    let with = |first: &str, second: &str| {
        let text = format!(
            "listen = \"127.0.0.1:8080\"\nupstreams.api.endpoints = [\"http://10.0.0.1\"]\n\
             [[routes]]\npath_prefix = \"/a\"\nupstream = \"api\"\nprofile = \"{first}\"\n\
             [[routes]]\nupstream = \"api\"\nprofile = \"{second}\"\n"
        );
        let upstream = config(&text).upstreams["api"].clone();
        (upstream.protocol, upstream.pace.is_some())
    };
    assert_eq!(with("default", "grpc"), (Protocol::Http2, false));
    assert_eq!(with("grpc", "llm"), (Protocol::Http2, false));
    assert_eq!(with("llm", "grpc"), (Protocol::Http1, true));
}

#[test]
fn one_upstream_without_a_file_is_the_minimal_file() {
    let endpoint = || Config::endpoint("https://10.0.0.1").unwrap();
    for (profile, line) in
        [(Profile::Default, ""), (Profile::Llm, "profile = \"llm\""), (Profile::Grpc, "profile = \"grpc\"")]
    {
        let text = file("", "", line).replace("api", "upstream");
        assert_eq!(Config::for_upstream(endpoint(), profile), config(&text), "{profile:?}");
    }
    let invalid = Config::endpoint("api.example.com").unwrap_err();
    assert_eq!(
        invalid,
        "neither http nor https; allowed: a URL such as http://10.0.0.1:8080 or https://api.example.com; \
         did you mean \"http://api.example.com\"?"
    );
}
