//! The effect of each key, which changes nothing else.

use std::path::PathBuf;
use std::time::Duration;

use http::StatusCode;
use tower_http_retry::grpc::GrpcCode;
use tower_http_retry::policy::Jitter;

use super::*;

#[track_caller]
fn check_top(lines: &str, change: impl FnOnce(&mut Config)) {
    let mut expected = config(&file("", "", ""));
    change(&mut expected);
    assert_eq!(config(&file(lines, "", "")), expected, "{lines}");
}

#[track_caller]
fn check_upstream(lines: &str, change: impl FnOnce(&mut UpstreamConfig)) {
    let mut expected = upstream("");
    change(&mut expected);
    assert_eq!(upstream(lines), expected, "{lines}");
}

#[track_caller]
fn check_route(lines: &str, change: impl FnOnce(&mut RouteConfig)) {
    let mut expected = route("");
    change(&mut expected);
    assert_eq!(route(lines), expected, "{lines}");
}

#[track_caller]
fn check_retry(lines: &str, change: impl FnOnce(&mut RetryConfig)) {
    let mut expected = retry("");
    change(&mut expected);
    assert_eq!(retry(lines), expected, "{lines}");
}

#[test]
fn top_level_keys() {
    let (cert, key) = (PathBuf::from("c.pem"), PathBuf::from("k.pem"));
    check_top("tls = { cert = 'c.pem', key = 'k.pem' }", |top| top.tls = Some(ServerTls { cert, key }));
    check_top("admin = '[::1]:9090'", |top| top.admin = Some("[::1]:9090".parse().unwrap()));
    check_top("admin = '127.0.0.2:8080'", |top| top.admin = Some("127.0.0.2:8080".parse().unwrap()));
    check_top("drain_timeout = '0s'", |top| top.drain_timeout = Duration::ZERO);
    check_top("admin = '0.0.0.0:9090'\nadmin_public = true", |top| {
        top.admin = Some("0.0.0.0:9090".parse().unwrap());
    });
    check_top("trusted_proxies = ['10.0.0.0/8', 'fd00::1']", |top| {
        top.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap(), "fd00::1/128".parse().unwrap()];
    });
    check_top("underscores_in_headers = true", |top| top.underscores_in_headers = true);
    for (line, header_case) in [
        ("preserve_header_case = true", HeaderCase { preserve: true, title: false }),
        ("title_case_headers = true", HeaderCase { preserve: false, title: true }),
    ] {
        check_top(line, |top| {
            top.header_case = header_case;
            for upstream in top.upstreams.values_mut() {
                upstream.connections.header_case = header_case;
            }
        });
    }
    check_top("buffers.total = '1GiB'", |top| top.buffers.total = 1 << 30);
    check_top("access_log.enabled = false", |top| top.access_log.enabled = false);
}

#[test]
fn limit_keys() {
    check_top("limits = {}", |_| {});
    check_top("limits.connections = 1", |top| top.limits.connections = 1);
    check_top("limits.headers = 1000", |top| top.limits.headers = 1_000);
    check_top("limits.header_bytes = '8KiB'", |top| top.limits.header_bytes = 8_192);
    let second = Duration::from_secs(1);
    check_top("limits.header_timeout = '1s'", |top| top.limits.header_timeout = second);
    check_top("limits.idle_timeout = '1s'", |top| top.limits.idle_timeout = second);
    check_top("limits.body_timeout = '1s'", |top| top.limits.body_timeout = second);
    check_top("limits.write_timeout = '1s'", |top| top.limits.write_timeout = second);
    check_top("limits.tunnel_idle_timeout = '1s'", |top| top.limits.tunnel_idle_timeout = second);
    check_top("limits.body_min_rate = 1", |top| top.limits.body_min_rate = Some(1));
    check_top("limits.body_min_rate = false", |top| top.limits.body_min_rate = None);
    check_top("limits.max_concurrent_streams = 1", |top| top.limits.max_concurrent_streams = 1);
}

#[test]
fn upstream_keys() {
    let uri = |text: &str| text.parse::<Uri>().unwrap();
    check_upstream("protocol = 'http2'", |up| up.protocol = Protocol::Http2);
    check_upstream("tls = { ca = 'ca.pem' }", |up| up.tls.ca = Some("ca.pem".into()));
    check_upstream("tls = {}", |_| {});
    check_upstream("host = 'endpoint'", |_| {});
    check_upstream("host = 'preserve'", |up| up.host = HostRule::Preserve);
    let name = |name: &str| HostRule::Name(name.parse().unwrap());
    check_upstream("host = 'preserve.example.com'", |up| up.host = name("preserve.example.com"));
    check_upstream("host = 'localhost:8080'", |up| up.host = name("localhost:8080"));

    check_upstream("response_idle_timeout = '2s'", |up| {
        up.response_idle_timeout = Some(Duration::from_secs(2));
    });
    check_upstream("response_idle_timeout = false", |up| up.response_idle_timeout = None);
    check_upstream("wait_while_down = '5s'", |up| up.wait_while_down = Duration::from_secs(5));
    check_upstream("wait_while_down = '0s'", |_| {});
    check_upstream("max_requests = 1", |up| up.max_requests = 1);
    check_upstream("max_pending_requests = 1", |up| up.max_pending_requests = 1);

    let endpoints = |list: &str| {
        let text = file("", "", "").replace("[\"https://10.0.0.1\"]", list);
        config(&text).upstreams["api"].endpoints.clone()
    };
    assert_eq!(endpoints("['http://[::1]:80/']"), [uri("http://[::1]:80")]);
    let both = [uri("http://a.example"), uri("https://a.example")];
    assert_eq!(endpoints("['http://a.example', 'https://a.example']"), both);
}

#[test]
fn connection_keys() {
    let check = |lines: &str, change: &dyn Fn(&mut ConnectionConfig)| {
        check_upstream(lines, |up| change(&mut up.connections));
    };
    let time = Duration::from_millis;
    check("connect_timeout = '250ms'", &|config| config.connect_timeout = time(250));
    check("pool_idle_timeout = '4s'", &|config| config.pool_idle_timeout = time(4_000));
    check("max_connection_age = '1h'", &|config| config.max_connection_age = Some(time(3_600_000)));
    check("max_connection_age = false", &|_| {});
    check("tcp_user_timeout = '5s'", &|config| config.tcp_user_timeout = Some(time(5_000)));
    check("tcp_user_timeout = false", &|config| config.tcp_user_timeout = None);
    check("max_response_headers = 1", &|config| config.max_response_headers = 1);
    check("max_response_header_bytes = '1MiB'", &|config| config.max_response_header_bytes = 1 << 20);
    check("dns_refresh = '5s'", &|config| config.dns_refresh = time(5_000));

    let tcp =
        |idle, interval, probes| Some(TcpKeepalive { idle: time(idle), interval: time(interval), probes });
    check("tcp_keepalive = true", &|_| {});
    check("tcp_keepalive = false", &|config| config.tcp_keepalive = None);
    check("tcp_keepalive = '30s'", &|config| config.tcp_keepalive = tcp(30_000, 10_000, 3));
    check("tcp_keepalive = { idle = '1s', interval = '2s', probes = 1 }", &|config| {
        config.tcp_keepalive = tcp(1_000, 2_000, 1);
    });
    let http2 = |interval, timeout| Some(Http2Keepalive { interval: time(interval), timeout: time(timeout) });
    check("http2_keepalive = true", &|_| {});
    check("http2_keepalive = false", &|config| config.http2_keepalive = None);
    check("http2_keepalive = '20s'", &|config| config.http2_keepalive = http2(20_000, 10_000));
    check("http2_keepalive = { interval = '1s', timeout = '300ms' }", &|config| {
        config.http2_keepalive = http2(1_000, 300);
    });
}

#[test]
fn budget_and_pace_keys() {
    let budget = |percent, min_retries_per_second| Some(RetryBudget { percent, min_retries_per_second });
    check_upstream("retry_budget = false", |up| up.retry_budget = None);
    check_upstream("retry_budget = true", |_| {});
    check_upstream("retry_budget.percent = 100", |up| up.retry_budget = budget(100, 3));
    check_upstream("retry_budget.percent = 0", |up| up.retry_budget = budget(0, 3));
    check_upstream("retry_budget.min_retries_per_second = 0", |up| up.retry_budget = budget(20, 0));

    let check = |line: &str, change: &dyn Fn(&mut PaceConfig)| {
        let mut pace = PaceConfig::default();
        change(&mut pace);
        check_upstream(line, |up| up.pace = Some(pace));
    };
    check_upstream("pace = false", |_| {});
    check("pace.key = 'endpoint'", &|pace| pace.key = PaceKey::Endpoint);
    check("pace.key = 'authority'", &|pace| pace.key = PaceKey::Authority);
    check("pace.key = 'credential'", &|pace| pace.key = PaceKey::Credential);
    check("pace.key = 'credential+model'", &|pace| pace.key = PaceKey::CredentialAndModel);
    check("pace.model_header = 'X-Deployment'", &|pace| pace.model_header = "x-deployment".parse().unwrap());
    check("pace.fair_by = false", &|_| {});
    check("pace.fair_by = 'client'", &|pace| pace.fair_by = Some(FairBy::Client));
    check("pace.fair_by = 'header:X-Team'", &|pace| {
        pace.fair_by = Some(FairBy::Header("x-team".parse().unwrap()));
    });
    check("pace.key = 'header:X-Api-Key'", &|pace| pace.key = PaceKey::Header("x-api-key".parse().unwrap()));
    check("pace.longest = '2m'", &|pace| pace.longest = Duration::from_secs(120));
    check("pace.slow_start = true", &|pace| pace.slow_start = true);
    check("pace.waiters = 0", &|pace| pace.waiters = 0);
    check("pace.keys = 1", &|pace| pace.keys = 1);
}

#[test]
fn outlier_detection_keys() {
    let check = |line: &str, change: &dyn Fn(&mut OutlierDetection)| {
        let mut outliers = OutlierDetection::default();
        change(&mut outliers);
        check_upstream(&format!("outlier_detection.{line}"), |up| up.outlier_detection = Some(outliers));
    };
    let time = Duration::from_secs;
    check_upstream("outlier_detection = false", |up| up.outlier_detection = None);
    check_upstream("outlier_detection = true", |_| {});
    check("consecutive_5xx = 0", &|outliers| outliers.consecutive_5xx = 0);
    check("status_codes = [503]", &|outliers| {
        outliers.status_codes = [StatusCode::SERVICE_UNAVAILABLE].into()
    });
    check("failure_percentage_threshold = 85", &|outliers| outliers.failure_percentage_threshold = 85);
    check("failure_percentage_request_volume = 1", &|outliers| {
        outliers.failure_percentage_request_volume = 1
    });
    check("interval = '1s'", &|outliers| outliers.interval = time(1));
    check("base_ejection_time = '30s'", &|outliers| outliers.base_ejection_time = time(30));
    check("max_ejection_time = '5m'", &|outliers| outliers.max_ejection_time = time(300));
    check("max_ejection_time = '500ms'", &|outliers| {
        outliers.max_ejection_time = Duration::from_millis(500);
        outliers.base_ejection_time = Duration::from_millis(500);
    });
    check("max_ejection_percent = 100", &|outliers| outliers.max_ejection_percent = 100);
    check("healthy_panic_threshold = 0", &|outliers| outliers.healthy_panic_threshold = 0);
}

#[test]
fn route_keys() {
    check_route("path_prefix = '/v1/chat'", |route| route.path_prefix = "/v1/chat".to_owned());
    check_route("path_prefix = '/v1//'", |route| route.path_prefix = "/v1".to_owned());
    check_route("path_prefix = '//'", |_| {});
    check_route("host = 'API.example.com'", |route| {
        route.host = Some(HostPattern::Exact("api.example.com".to_owned()));
    });
    check_route("host = '[::1]'", |route| route.host = Some(HostPattern::Exact("[::1]".to_owned())));
    check_route("host = '*.example.com'", |route| {
        route.host = Some(HostPattern::SubdomainsOf("example.com".to_owned()));
    });
    check_route("methods = ['GET', 'PROPFIND', 'QUERY']", |route| {
        route.methods = ["GET", "PROPFIND", "QUERY"].map(|method| method.parse().unwrap()).to_vec();
    });
    check_route("headers = { X-Tenant = 'blue', accept = 'a b' }", |route| {
        let header = |name: &str, value: &str| (name.parse().unwrap(), value.parse().unwrap());
        route.headers = vec![header("x-tenant", "blue"), header("accept", "a b")];
    });
    check_route("timeout = '1h'", |route| route.timeout = Duration::from_secs(3_600));
    check_route("retry = false", |route| route.retry = None);
    check_route("retry = true", |_| {});
    check_route("retry = {}", |_| {});
}

#[test]
fn fallback_keys() {
    let others = "[upstreams.b]\nendpoints = [\"http://b\"]\n[upstreams.c]\nendpoints = [\"http://c\"]";
    let read = |line: &str, route: &str| {
        let route = config(&file("", others, &format!("{route}\n{line}"))).routes[0].clone();
        let FallbackConfig { upstreams, after } = route.fallback.clone().unwrap();
        (upstreams.join(" "), after, RouteConfig { fallback: None, ..route })
    };
    let check = |line: &str, upstreams: &str, after: u64| {
        let expected = (upstreams.to_owned(), Duration::from_millis(after), route(""));
        assert_eq!(read(line, ""), expected, "{line}");
    };
    check("fallback = { upstreams = ['b'] }", "b", 5_000);
    check("fallback = { upstreams = ['c', 'b'], after = '300ms' }", "c b", 300);
    check("[routes.fallback]\nupstreams = ['b']\nafter = '15s'", "b", 15_000);
    let after = |route: &str| read("fallback = { upstreams = ['b'] }", route).1;
    assert_eq!(after("timeout = '2s'"), Duration::from_secs(2));

    // The defaults of a profile hold for all upstreams of its routes, fallbacks included.
    let llm = "host = 'a'\nprofile = 'llm'\nfallback = { upstreams = ['b'] }\n[[routes]]\nupstream = 'c'";
    let config = config(&file("", others, llm));
    let paced = config.upstreams.iter().filter(|(_, upstream)| upstream.pace.is_some());
    assert_eq!(paced.map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["api", "b"]);
}

#[test]
fn retry_keys() {
    let get_and_post = vec![http::Method::GET, http::Method::POST];
    check_retry("methods = 'idempotent'", |_| {});
    check_retry("methods = 'all'", |retry| retry.methods = RetryMethods::All);
    check_retry("methods = ['GET', 'POST']", |retry| retry.methods = RetryMethods::Listed(get_and_post));
    check_retry("trust_idempotency_key = false", |retry| retry.trust_idempotency_key = false);
    check_retry("num_retries = 0", |retry| retry.num_retries = 0);
    check_retry("num_retries = 20", |retry| retry.num_retries = 20);
    check_retry("per_try_timeout = '15s'", |retry| retry.per_try_timeout = Some(Duration::from_secs(15)));
    check_retry("per_try_timeout = false", |retry| retry.per_try_timeout = None);
    check_retry("host_selection = 'any'", |retry| retry.host_selection = HostSelection::Any);
    check_retry("request_body_buffer_limit = 0", |retry| retry.request_body_buffer_limit = 0);
    check_retry("request_body_buffer_limit = '64MiB'", |retry| retry.request_body_buffer_limit = 64 << 20);
    check_retry("error_body_drain.bytes = 0", |retry| retry.error_body_drain.bytes = 0);
    check_retry("error_body_drain.time = '0s'", |retry| retry.error_body_drain.time = Duration::ZERO);
    check_retry("nested = 'ignore'", |retry| retry.nested = Nested::Ignore);
    check_retry("attempt_header = false", |retry| retry.attempt_header = None);
    check_retry("attempt_header = 'x-envoy-attempt-count'", |retry| {
        retry.attempt_header = Some("x-envoy-attempt-count".parse().unwrap());
    });
    check_retry("explain_header = true", |retry| retry.explain_header = true);
    check_retry("peek_quota = true", |retry| retry.peek_quota = true);
    check_retry("hold_event_stream = '3s'", |retry| retry.hold_event_stream = Some(Duration::from_secs(3)));
    check_retry("hold_event_stream = false", |_| {});
    check_retry("mint_idempotency_key = true", |retry| retry.mint_idempotency_key = true);
}

#[test]
fn back_off_keys() {
    let jitter = |jitter| BackOffPolicy::ExponentialBackoff(jitter);
    check_retry("back_off.policy = 'exponential'", |_| {});
    check_retry("back_off.jitter = 'full'", |_| {});
    check_retry("back_off.jitter = 'equal'", |retry| retry.back_off.policy = jitter(Jitter::Equal));
    check_retry("back_off.jitter = 'none'", |retry| retry.back_off.policy = jitter(Jitter::None));
    check_retry("back_off.jitter = 'proportional'", |retry| {
        retry.back_off.policy = jitter(Jitter::Proportional(0.2));
    });
    check_retry("back_off = { policy = 'decorrelated', jitter = 'full' }", |retry| {
        retry.back_off.policy = BackOffPolicy::Decorrelated;
    });
    check_retry("back_off = { base_interval = '1s', max_interval = '1s' }", |retry| {
        retry.back_off.base_interval = Duration::from_secs(1);
        retry.back_off.max_interval = Duration::from_secs(1);
    });
    check_retry("rate_limited_back_off.base_interval = '2s'", |retry| {
        retry.rate_limited_back_off.base_interval = Duration::from_secs(2);
    });
    check_retry("rate_limited_back_off.max_interval = '0s'", |retry| {
        retry.rate_limited_back_off.max_interval = Duration::ZERO;
        // The first delay is never above the longest.
        retry.rate_limited_back_off.base_interval = Duration::ZERO;
    });
    check_retry("rate_limited_back_off.on_exceed = 'return'", |_| {});
    check_retry("rate_limited_back_off.spread = 0", |retry| retry.rate_limited_back_off.spread = 0.0);
    check_retry("rate_limited_back_off.spread = 0.25", |retry| retry.rate_limited_back_off.spread = 0.25);
}

#[track_caller]
fn check_retry_on(lines: &str, failures: &str, statuses: &[u16]) {
    let on = retry(lines).retry_on;
    let named = [
        (on.connect_failure, "connect-failure"),
        (on.refused_stream, "refused-stream"),
        (on.reset, "reset"),
        (on.per_try_timeout, "per-try-timeout"),
        (on.rate_limited, "rate-limited"),
    ];
    let named: Vec<_> = named.iter().filter(|(is_on, _)| *is_on).map(|(_, name)| *name).collect();
    assert_eq!(named.join(" "), failures, "{lines}");
    let codes: Vec<_> = on.statuses.iter().map(StatusCode::as_u16).collect();
    assert_eq!(codes, statuses, "{lines}");
}

#[test]
fn retry_on_keys() {
    let all = "connect-failure refused-stream reset per-try-timeout";
    check_retry_on("retry_on = []", "", &[]);
    check_retry_on("retry_on = ['connect-failure']", "connect-failure", &[]);
    check_retry_on("retry_on = ['refused-stream']", "refused-stream", &[]);
    check_retry_on("retry_on = ['reset', 'reset']", "reset", &[]);
    check_retry_on("retry_on = ['per-try-timeout']", "per-try-timeout", &[]);
    check_retry_on("retry_on = ['gateway-error']", "", &[502, 503, 504]);
    check_retry_on("retry_on = ['retriable-4xx']", "", &[409]);
    check_retry_on("retry_on = ['429', '599', '400']", "", &[400, 429, 599]);
    check_retry_on("retry_on = ['5xx']", all, &(500..600).collect::<Vec<_>>());
    check_retry_on("retry_on = ['retriable-status-codes']\nretriable_status_codes = [500]", "", &[500]);
    check_retry_on("retry_on = []\nretriable_status_codes = [500, 408]", "", &[408, 500]);
    check_retry_on(
        "retriable_status_codes = [500]",
        &format!("{all} rate-limited"),
        &[500, 502, 503, 504, 529],
    );
    check_retry_on("retry_on = ['rate-limited']", "rate-limited", &[]);
    for (word, code) in [
        ("cancelled", GrpcCode::Cancelled),
        ("deadline-exceeded", GrpcCode::DeadlineExceeded),
        ("internal", GrpcCode::Internal),
        ("resource-exhausted", GrpcCode::ResourceExhausted),
        ("unavailable", GrpcCode::Unavailable),
    ] {
        let lines = format!("retry_on = ['{word}', '{word}']");
        check_retry_on(&lines, "", &[]);
        assert_eq!(retry(&lines).retry_on.grpc_codes, [code].into());
    }
    check_retry(
        "retriable_headers = { 'x-amzn-errortype' = 'ThrottlingException', x-busy = '1' }",
        |retry| {
            let header = |name: &'static str, value: &str| RetriableHeader {
                name: http::HeaderName::from_static(name),
                value: value.to_owned(),
            };
            retry.retry_on.headers =
                vec![header("x-amzn-errortype", "ThrottlingException"), header("x-busy", "1")];
        },
    );
}
