//! Which requests share a limit, and which share a key fairly.

use std::io::Read;
use std::time::{Duration, Instant};

use super::{Refusing, paced, stop, wait_paced, watched};
use crate::client::{call, open, parse};
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, say};

/// A request: a path and header lines.
type Sent<'a> = (&'a str, &'a [&'a str]);

/// The status of the second request, after the pace has stopped the first for half a minute, or 20 of it were refused. One
/// that may not wait for that long is told so at once.
#[track_caller]
fn check(pace: &str, route: &str, first: Sent<'_>, second: Sent<'_>, expected: u16) {
    let refusing = Refusing::start("retry-after: 30");
    let gateway = paced(&refusing.upstream, pace, &format!("{route}\ntimeout = \"5s\""));
    let status = |(path, headers): Sent<'_>| {
        let began = Instant::now();
        let reply = call(gateway.address, &format!("POST {path}"), headers, "");
        assert!(began.elapsed() < Duration::from_secs(2), "{pace} {path}: {:?}", began.elapsed());
        reply.status
    };
    let is_stopped = (0..super::REFUSALS).any(|_| status(first) == 503);
    assert_eq!(is_stopped, !pace.contains("false"), "{pace} {route} {first:?}");
    refusing.open();
    assert_eq!(status(second), expected, "{pace} {route} {first:?} {second:?}");
}

#[test]
fn those_wait_who_share_a_key() {
    let (a, b): (Sent<'_>, Sent<'_>) = (("/", &["authorization: a"]), ("/", &["authorization: b"]));
    check("pace = false", "", a, a, 200);
    check("pace = true", "", a, b, 503);
    check("pace = { key = \"upstream\" }", "", a, b, 503);
    check("pace = { key = \"header:authorization\" }", "", a, a, 503);
    check("pace = { key = \"header:authorization\" }", "", a, b, 200);
}

#[test]
fn tenants_with_credentials_of_their_own_do_not_wait_for_each_other() {
    for name in
        ["authorization", "x-api-key", "api-key", "x-goog-api-key", "ocp-apim-subscription-key", "xi-api-key"]
    {
        let [a, b] = ["a", "b"].map(|key| format!("{name}: {key}"));
        let [a, b] = [[a.as_str()], [b.as_str()]];
        for (pace, route) in [("pace.key = \"credential\"", ""), ("", "profile = \"llm\"")] {
            check(pace, route, ("/", &a), ("/", &b), 200);
            check(pace, route, ("/", &a), ("/", &a), 503);
        }
    }
    for (pace, route) in [("pace.key = \"credential\"", ""), ("", "profile = \"llm\"")] {
        let [a, b] = ["/v1beta/models/m:generateContent?key=a", "/v1beta/models/m:generateContent?key=b"];
        check(pace, route, (a, &[]), (b, &[]), 200);
        check(pace, route, (a, &[]), (a, &[]), 503);
        let signed = |key: &str, signature: &str| {
            format!(
                "authorization: AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/bedrock/aws4_request, \
                     SignedHeaders=host, Signature={signature}"
            )
        };
        let [a, again, b] =
            [("AKIA1", "x"), ("AKIA1", "y"), ("AKIA2", "x")].map(|(key, text)| signed(key, text));
        check(pace, route, ("/model/m/invoke", &[&a]), ("/model/m/invoke", &[&b]), 200);
        check(pace, route, ("/model/m/invoke", &[&a]), ("/model/m/invoke", &[&again]), 503);
    }
    check("pace = false", "profile = \"llm\"", ("/", &["x-api-key: a"]), ("/", &["x-api-key: a"]), 200);
}

#[test]
fn models_do_not_wait_for_each_other_where_the_key_says_so() {
    let pace = "pace.key = \"credential+model\"";
    let key: &[&str] = &["x-api-key: a"];
    for (first, second) in [
        ("/v1beta/models/pro:generateContent", "/v1beta/models/flash:generateContent"),
        ("/openai/deployments/pro/chat/completions", "/openai/deployments/flash/chat/completions"),
        ("/model/vendor.pro-v1:0/invoke", "/model/vendor.flash-v1:0/invoke"),
    ] {
        check(pace, "", (first, key), (second, key), 200);
        check(pace, "", (first, key), (first, key), 503);
        check("pace.key = \"credential\"", "", (first, key), (second, key), 503);
    }
    let of = |name: &'static str, model: &str| [String::from("x-api-key: a"), format!("{name}: {model}")];
    for (name, lines) in
        [("x-model", pace), ("x-llm", "pace = { key = \"credential+model\", model_header = \"x-llm\" }")]
    {
        let [pro, flash] = [of(name, "pro"), of(name, "flash")];
        let [pro, flash] = [pro.each_ref().map(String::as_str), flash.each_ref().map(String::as_str)];
        check(lines, "", ("/v1/messages", &pro), ("/v1/messages", &flash), 200);
        check(lines, "", ("/v1/messages", &pro), ("/v1/messages", &pro), 503);
    }
}

#[test]
fn the_key_authority_is_the_host_that_the_upstream_gets() {
    let (a, b): (Sent<'_>, Sent<'_>) = (("http://a.example/", &[]), ("http://b.example/", &[]));
    check("host = \"preserve\"\npace.key = \"authority\"", "", a, b, 200);
    check("host = \"preserve\"\npace.key = \"authority\"", "", a, a, 503);
    check("host = \"api.example\"\npace.key = \"authority\"", "", a, b, 503);
}

/// One client has twelve requests in the queue when another one comes with its first.
#[test]
fn clients_share_a_key_fairly_where_the_pace_is_fair_by_client() {
    let lines = "x-forwarded-for: 192.0.2.1";
    for (fair_by, greedy, modest) in
        [("client", lines, "x-forwarded-for: 192.0.2.2"), ("header:x-team", "x-team: a", "x-team: b")]
    {
        let refusing = Refusing::start("retry-after: 2");
        let pace = format!("pace = {{ fair_by = \"{fair_by}\" }}");
        let gateway =
            watched(&refusing.upstream, "trusted_proxies = [\"127.0.0.0/8\"]", &pace, "timeout = \"60s\"");
        stop(&gateway, "GET /", &[greedy]);
        let mut sockets: Vec<_> = (0..12)
            .map(|number| {
                let socket = open(gateway.address, "GET /greedy", &[greedy], "");
                wait_paced(&gateway, f64::from(number + 1));
                socket
            })
            .collect();
        sockets.push(open(gateway.address, "GET /modest", &[modest], ""));
        wait_paced(&gateway, 13.0);
        refusing.open();
        for socket in &mut sockets {
            let mut bytes = Vec::new();
            socket.read_to_end(&mut bytes).unwrap();
            assert_eq!(parse(&bytes).status, 200, "{fair_by}");
        }
        let seen = refusing.upstream.seen();
        let place = seen[seen.len() - 13..].iter().position(|seen| seen.head.contains("/modest"));
        assert!(place.is_some_and(|place| place <= 5), "{fair_by}: {place:?}");
    }
}

/// One key is held back for long, and the other one waits a second for its resend.
#[test]
fn a_key_that_is_held_back_takes_a_quarter_of_all_that_may_wait() {
    let upstream = Upstream::start(|_, seen| match seen.header("authorization") {
        Some("b") if seen.header("x-retry-attempt").is_some() => say(200, &[], "done"),
        Some("b") => say(429, &["retry-after: 1"], "busy"),
        _ => say(429, &["retry-after: 60"], "busy"),
    });
    let gateway = Gateway::by(&format!(
        "admin = \"127.0.0.1:0\"\n[upstreams.api]\nendpoints = [{:?}]\nmax_pending_requests = 8\n\
         pace = {{ key = \"credential\" }}\n[[routes]]\nupstream = \"api\"\ntimeout = \"100s\"\n\
         [routes.retry]\nattempt_header = \"x-retry-attempt\"\nper_try_timeout = false\n",
        upstream.url()
    ));
    // Each is refused, and waits for its resend or, once the key is stopped, for its first attempt.
    let waiting: Vec<_> =
        (0..30).map(|_| open(gateway.address, "GET /", &["authorization: a"], "")).collect();
    let rejected = gateway.log(24);
    assert!(rejected.iter().all(|line| line["status"] == 503 || line["status"] == 429), "{rejected:?}");
    assert!(gateway.status()["upstreams"][0]["pending"].as_u64().unwrap() <= 2 + 1);
    for _ in 0..3 {
        assert_eq!(call(gateway.address, "GET /", &["authorization: b"], "").status, 200);
    }
    drop(waiting);
}

/// The first key is in use, so that there is no room for the second.
#[test]
fn a_key_for_which_there_is_no_room_goes_without_a_pace() {
    let upstream = Upstream::start(|number, _| if number == 0 { Act::Hang } else { say(200, &[], "done") });
    let gateway = watched(&upstream, "", "pace = { key = \"header:x-key\", keys = 1 }", "");
    let _held = open(gateway.address, "GET /", &["x-key: a"], "");
    upstream.wait_seen(1);
    for _ in 0..3 {
        assert_eq!(call(gateway.address, "GET /", &["x-key: b"], "").status, 200);
    }
    assert_eq!(gateway.metric_of_api("pace_unpaced_total"), 3.0);
    assert_eq!(gateway.status()["upstreams"][0]["unpaced"], 3);
}
