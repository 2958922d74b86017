//! What the words of `retry_on` stand for.

use std::thread;

use testkit::raw_http2::{DEFAULT_WINDOW, REFUSED_STREAM, RawHttp2Server, StreamDeed};

use crate::client::call;
use crate::configured::attempts;
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, nobody, say};

/// How an attempt fails; where somebody listens, the next one does not.
const WAYS: [&str; 17] = [
    "connect",
    "refused",
    "reset",
    "timeout",
    "403",
    "403-limit",
    "403-header",
    "408",
    "409",
    "418",
    "425",
    "429",
    "500",
    "502",
    "503",
    "504",
    "529",
];

/// After which of them a request is sent again, with these lines of its route and the route's retries. It has a key,
/// which a 409 asks for.
#[track_caller]
fn check(route: &str, retry: &str, expected: &str) {
    let refusing =
        RawHttp2Server::start_blocking(DEFAULT_WINDOW, vec![StreamDeed::ResetStream(REFUSED_STREAM)]);
    let failing = Upstream::start(|_, seen| {
        let path = seen.head.split([' ', '/']).nth(2).unwrap();
        match path {
            _ if seen.header("x-retry-attempt").is_some() => say(200, &[], ""),
            "reset" => Act::Close,
            "timeout" => Act::Hang,
            "403-limit" => say(403, &["x-rate-limit-remaining: 0"], ""),
            "403-header" => say(403, &["x-limit: gone"], ""),
            status => say(status.parse().unwrap(), &[], ""),
        }
    });
    let to = |upstream: &str, path: &str, more: &str| {
        format!(
            "[[routes]]\npath_prefix = \"/{path}\"\nupstream = \"{upstream}\"\n{route}\n\
             [routes.retry]\n{retry}\nnum_retries = 1\n{more}\n"
        )
    };
    let gateway = Gateway::by(&format!(
        "[upstreams.refusing]\nendpoints = [{:?}]\nprotocol = \"http2\"\npace = false\n\
         [upstreams.nobody]\nendpoints = [{:?}]\npace = false\n\
         [upstreams.failing]\nendpoints = [{:?}]\npace = false\n{}{}{}{}",
        refusing.url(),
        nobody(),
        failing.url(),
        to("nobody", "connect", ""),
        to("refusing", "refused", ""),
        to("failing", "timeout", "per_try_timeout = \"300ms\""),
        to("failing", "", ""),
    ));
    let is_sent_again = |(number, way): &(usize, &str)| {
        call(gateway.address, &format!("PUT /{way}"), &["idempotency-key: 1"], "");
        attempts(&gateway.log(number + 1)[*number]).len() > 1
    };
    let ways: Vec<_> = WAYS.into_iter().enumerate().filter(is_sent_again).map(|(_, way)| way).collect();
    assert_eq!(ways.join(" "), expected, "{route} {retry}");
}

#[test]
fn each_word_stands_for_what_it_says_and_for_nothing_else() {
    let rows = [
        ("", "", "connect refused reset timeout 403-limit 425 429 502 503 504 529"),
        (
            "profile = \"llm\"",
            "",
            "connect refused reset timeout 403-limit 408 409 425 429 500 502 503 504 529",
        ),
        ("", "retry_on = []", ""),
        ("", "retry_on = [\"connect-failure\"]", "connect"),
        ("", "retry_on = [\"refused-stream\"]", "refused 425"),
        ("", "retry_on = [\"reset\"]", "reset"),
        ("", "retry_on = [\"per-try-timeout\"]", "timeout"),
        ("", "retry_on = [\"gateway-error\"]", "502 503 504"),
        ("", "retry_on = [\"5xx\"]", "connect refused reset timeout 425 500 502 503 504 529"),
        ("", "retry_on = [\"retriable-4xx\"]", "409"),
        ("", "retry_on = [\"418\", \"503\"]", "418 503"),
        ("", "retry_on = [\"rate-limited\"]", "403-limit 429"),
        ("", "retry_on = []\nretriable_headers = { x-limit = \"gone\" }", "403-header"),
        ("", "retry_on = [\"retriable-status-codes\"]", ""),
        ("", "retry_on = [\"retriable-status-codes\"]\nretriable_status_codes = [418]", "418"),
        ("", "retry_on = [\"reset\"]\nretriable_status_codes = [408, 500]", "reset 408 500"),
    ];
    thread::scope(|scope| {
        for (route, retry, expected) in rows {
            scope.spawn(move || check(route, retry, expected));
        }
    });
}
