//! A file of the gateway: it is read, or every problem is told with its place; and what was read can be said again.

#![no_main]

use std::time::SystemTime;

use http::{HeaderMap, Method, Response, StatusCode};
use libfuzzer_sys::fuzz_target;
use retry_gateway::config::Config;
use retry_gateway::{Case, CaseOutcome, explain};

fuzz_target!(|text: &str| {
    match Config::parse("gateway.toml", text) {
        Ok(config) => check(&config),
        Err(error) => {
            assert!(!error.problems().is_empty());
            let lines = text.split('\n').count();
            for problem in error.problems() {
                assert!(problem.line().is_none_or(|line| (1..=lines).contains(&line)), "{problem}");
                assert_ne!(problem.column(), Some(0), "{problem}");
            }
            let told = error.to_string();
            assert!(told.lines().all(|line| line.starts_with("gateway.toml:")), "{told}");
        }
    }
});

fn check(config: &Config) {
    assert_eq!(
        config.summary().to_string().lines().count(),
        1 + config.upstreams.len() + config.routes.len()
    );
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let case = Case {
        method: Method::GET,
        request: HeaderMap::new(),
        outcome: CaseOutcome::Response(Box::new(response)),
    };
    for route in &config.routes {
        assert!(route.upstreams().all(|name| config.upstreams.contains_key(name)));
        if let Some(fallback) = &route.fallback {
            assert!(fallback.after <= route.timeout);
        }
        let upstream = config.upstreams.get(&route.upstream);
        assert!(!explain(route, upstream, &case, SystemTime::UNIX_EPOCH).is_empty());
    }
}
