//! The defaults of keys that are not in the file.

use std::collections::BTreeSet;
use std::time::Duration;

use http::StatusCode;
use tower_http_retry::policy::Jitter;

use super::*;

/// The test repeats every number, so that none changes unnoticed.
#[test]
fn the_minimal_file_has_the_documented_defaults() {
    let config = config(MINIMAL);
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!((config.tls, config.admin), (None, None));
    assert_eq!(config.drain_timeout, Duration::from_secs(30));
    let limits = Limits {
        connections: 10_000,
        headers: 100,
        header_bytes: 61_440,
        header_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(75),
        body_timeout: Duration::from_secs(30),
        body_min_rate: Some(500),
        write_timeout: Duration::from_secs(60),
        tunnel_idle_timeout: Duration::from_secs(3_600),
        max_concurrent_streams: 200,
    };
    assert_eq!(config.limits, limits);
    assert_eq!(config.buffers.total, 64 << 20);
    assert!(config.access_log.enabled);
    assert_eq!(config.fleet, None);

    let upstream = &config.upstreams["api"];
    assert_eq!(upstream.endpoints, ["http://10.0.0.1:8080"]);
    assert_eq!(upstream.protocol, Protocol::Http1);
    assert_eq!(upstream.tls.ca, None);
    assert_eq!(upstream.host, HostRule::Endpoint);
    assert_eq!(upstream.response_idle_timeout, Some(Duration::from_secs(300)));
    let seconds = Duration::from_secs;
    let keepalive = TcpKeepalive { idle: seconds(60), interval: seconds(10), probes: 3 };
    let connections = ConnectionConfig {
        connect_timeout: seconds(2),
        pool_idle_timeout: seconds(50),
        max_connection_age: None,
        tcp_keepalive: Some(keepalive),
        tcp_user_timeout: Some(seconds(30)),
        http2_keepalive: Some(Http2Keepalive { interval: seconds(90), timeout: seconds(10) }),
        max_response_headers: 256,
        max_response_header_bytes: 65_536,
        dns_refresh: seconds(30),
        header_case: HeaderCase::default(),
    };
    assert_eq!(upstream.connections, connections);
    assert_eq!((upstream.max_requests, upstream.max_pending_requests), (10_000, 10_000));
    assert_eq!(upstream.retry_budget, Some(RetryBudget { percent: 20, min_retries_per_second: 3 }));
    assert_eq!(upstream.pace, None);

    let route = &config.routes[0];
    assert_eq!(route.path_prefix, "/");
    assert_eq!((&route.host, route.methods.len(), route.headers.len()), (&None, 0, 0));
    assert_eq!(route.upstream, "api");
    assert_eq!(route.timeout, Duration::from_secs(15));
    assert_eq!(route.profile, Profile::Default);
}

#[test]
fn retries_are_on_with_the_documented_defaults() {
    let retry = config(MINIMAL).routes.remove(0).retry.unwrap();
    let statuses = [502, 503, 504, 529].map(|code| StatusCode::from_u16(code).unwrap());
    let expected = RetryConfig {
        retry_on: RetryOn {
            connect_failure: true,
            refused_stream: true,
            reset: true,
            per_try_timeout: true,
            rate_limited: true,
            statuses: statuses.into(),
            headers: Vec::new(),
            grpc_codes: BTreeSet::new(),
        },
        methods: RetryMethods::Idempotent,
        trust_idempotency_key: true,
        num_retries: 2,
        per_try_timeout: Some(Duration::from_secs(5)),
        back_off: BackOff {
            policy: BackOffPolicy::ExponentialBackoff(Jitter::Full),
            base_interval: Duration::from_millis(25),
            max_interval: Duration::from_millis(250),
        },
        rate_limited_back_off: RateLimitedBackOff {
            base_interval: Duration::from_millis(500),
            max_interval: Duration::from_secs(10),
            on_exceed: OnExceed::Return,
            spread: 1.0,
        },
        host_selection: HostSelection::AvoidPrevious,
        request_body_buffer_limit: 65_536,
        error_body_drain: ErrorBodyDrain { bytes: 16_384, time: Duration::from_millis(10) },
        nested: Nested::Limit,
        attempt_header: Some("x-retry-attempt".parse().unwrap()),
        explain_header: false,
        peek_quota: false,
        hold_event_stream: None,
        mint_idempotency_key: false,
    };
    assert_eq!(retry, expected);
}

#[test]
fn a_pace_has_defaults() {
    let pace = PaceConfig {
        key: PaceKey::Upstream,
        model_header: "x-model".parse().unwrap(),
        fair_by: None,
        longest: Duration::from_secs(60),
        slow_start: false,
        waiters: 10_000,
        keys: 10_000,
    };
    assert_eq!(upstream("pace = {}").pace, Some(pace.clone()));
    assert_eq!(upstream("pace = true").pace, Some(pace));
}

/// The example adds an admin listener, a second endpoint and a pace. Its spread is in the file, so the pace
/// does not change it.
#[test]
fn the_documented_example_repeats_the_defaults() {
    let mut given = config(EXAMPLE);
    assert_eq!(given.admin.take(), Some("127.0.0.1:9090".parse().unwrap()));
    let upstream = given.upstreams.get_mut("api").unwrap();
    assert_eq!(upstream.endpoints.pop(), Some("http://10.0.0.2:8080".parse().unwrap()));
    assert_eq!(upstream.pace.take(), Some(PaceConfig::default()));
    assert_eq!(given, config(MINIMAL));
}

#[test]
fn a_default_gives_way_to_the_keys_of_the_file() {
    assert_eq!(route("timeout = \"2s\"").retry.unwrap().per_try_timeout, Some(Duration::from_secs(2)));
    let small = config(&file("buffers = { total = 1024 }", "", ""));
    assert_eq!(small.routes[0].retry.as_ref().unwrap().request_body_buffer_limit, 1024);

    let back_off = retry("back_off = { base_interval = \"1s\" }").back_off;
    assert_eq!((back_off.base_interval.as_secs(), back_off.max_interval.as_secs()), (1, 10));
    let back_off = retry("back_off = { max_interval = \"10ms\" }").back_off;
    assert_eq!((back_off.base_interval.as_millis(), back_off.max_interval.as_millis()), (10, 10));
}

#[test]
fn the_spread_is_zero_under_a_pace_unless_it_is_set() {
    let spread = |upstream: &str, route: &str| {
        let retry = config(&file("", upstream, route)).routes.remove(0).retry.unwrap();
        retry.rate_limited_back_off.spread
    };
    assert_eq!(spread("", ""), 1.0);
    assert_eq!(spread("pace = {}", ""), 0.0);
    assert_eq!(spread("pace = {}", "retry = { rate_limited_back_off = { spread = 0.5 } }"), 0.5);
    assert_eq!(spread("pace = false", ""), 1.0);
}
