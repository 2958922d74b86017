//! What the gateway makes of odd messages, beside HAProxy.
//!
//! The page `docs/differences.md` has a row for each difference. `UPDATE_SNAPSHOTS=1 cargo test -p retry-gateway --test
//! gateway differential` writes it again.

mod exchange;
mod haproxy;
mod http2;
mod http2_server;
mod message;
mod page;
mod reasons;
mod requests;
mod responses;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::thread;

use exchange::{Arrived, Case, Server};
use haproxy::{Haproxy, Version};
use message::Message;
use page::{Difference, Part};

use crate::configured::gateway;
use crate::process::Gateway;

/// Each case sends the bytes of a request or a response through both proxies, and compares what arrives.
#[test]
fn odd_messages_arrive_as_they_do_through_haproxy_but_for_the_documented_differences() {
    let (requests, http2, responses) = (requests::all(), http2::all(), responses::all());
    assert!(requests.len() >= 200 && responses.len() >= 100, "{} and {}", requests.len(), responses.len());
    let parts = thread::scope(|scope| {
        let parts = [
            scope.spawn(|| play("Requests", &requests, Version::Http1, request_facts)),
            scope.spawn(|| play("Requests over HTTP/2", &http2, Version::Http1, request_facts)),
            scope.spawn(|| play("Requests to an HTTP/2 server", &requests, Version::Http2, request_facts)),
            scope.spawn(|| {
                play("Requests over HTTP/2 to an HTTP/2 server", &http2, Version::Http2, request_facts)
            }),
            scope.spawn(|| play("Responses", &responses, Version::Http1, response_facts)),
        ];
        parts.map(|part| part.join().unwrap())
    });
    let [requests, http2, again, http2_again, responses] = parts;
    let (again, http2_again) = (again.without(&requests), http2_again.without(&http2));
    let parts = [requests, http2, again, http2_again, responses];
    reasons::check(&parts);
    page::check(&parts);
}

/// Plays all cases through both proxies at once.
fn play(
    title: &'static str,
    cases: &[Case],
    to_server: Version,
    facts: impl Fn(&Arrived) -> Vec<String> + Copy + Sync,
) -> Part {
    let mut titles = HashSet::new();
    assert!(cases.iter().all(|case| titles.insert(&case.title)), "each title is that of one case");
    let start = if to_server == Version::Http2 { Server::start_http2 } else { Server::start };
    let (behind_gateway, behind_haproxy) = (start(), start());
    let gateway = front(behind_gateway.address, to_server);
    let clients = if cases[0].is_http2 { Version::Http2 } else { Version::Http1 };
    let haproxy = Haproxy::before(behind_haproxy.address, clients, to_server);
    let arrived = |server: &Server, proxy: SocketAddr| -> Vec<_> {
        let facts = cases.iter().map(|case| facts(&server.play(proxy, case)));
        facts.map(|facts| page::masked(facts, server.address)).collect()
    };
    let (by_gateway, by_haproxy) = thread::scope(|scope| {
        let by_gateway = scope.spawn(|| arrived(&behind_gateway, gateway.address));
        let by_haproxy = scope.spawn(|| arrived(&behind_haproxy, haproxy.address));
        (by_gateway.join().unwrap(), by_haproxy.join().unwrap())
    });
    let is_again = to_server == Version::Http2;
    let mut part =
        Part { title, is_again, known: 0, cases: cases.len(), differences: Vec::new(), rejected: Vec::new() };
    for (case, (haproxy, gateway)) in cases.iter().zip(by_haproxy.into_iter().zip(by_gateway)) {
        let answer = haproxy.last().and_then(|fact| fact.strip_prefix("answer: ")).map(str::to_owned);
        match Difference::find(case, haproxy, gateway) {
            Some(difference) => part.differences.push(difference),
            None => part.rejected.extend(answer.map(|answer| (case.title.clone(), answer))),
        }
    }
    part
}

/// A gateway that sends nothing again, and leaves `Host` as it is, as HAProxy does.
fn front(server: SocketAddr, to_server: Version) -> Gateway {
    let protocol = if to_server == Version::Http2 { "protocol = \"http2\"" } else { "" };
    gateway(&[format!("http://{server}")], &format!("host = \"preserve\"\n{protocol}"), "retry = false", "")
}

/// What arrived at the server, and what the proxy answered if the server did not.
fn request_facts(arrived: &Arrived) -> Vec<String> {
    let mut facts: Vec<_> =
        arrived.requests.iter().flat_map(Message::facts).filter_map(without_additions).collect();
    facts.extend(answer(arrived));
    facts
}

/// What arrived at the client, or what the proxy answered if that was not the server's response.
fn response_facts(arrived: &Arrived) -> Vec<String> {
    match answer(arrived) {
        Some(answer) => vec![answer],
        None => arrived.responses.iter().flat_map(Message::facts).collect(),
    }
}

fn answer(arrived: &Arrived) -> Option<String> {
    arrived.own_answer.as_ref().map(|answer| format!("answer: {answer}"))
}

/// Takes away what the gateway adds to each request. The page of the gateway has it.
fn without_additions(fact: String) -> Option<String> {
    let is_added = match fact.split_once(": ") {
        Some(("x-forwarded-for", value)) => value == "127.0.0.1",
        Some(("x-forwarded-proto", value)) => value == "http",
        // The host is compared by the header of that name.
        Some(("x-forwarded-host", value)) => value != DECEIT,
        Some(("forwarded", value)) => value.starts_with("for=127.0.0.1;"),
        Some(("cdn-loop", value)) => match value.split_once("retry-gateway") {
            Some(("", _)) => true,
            Some((others, _)) => return Some(format!("cdn-loop: {}", others.trim_end_matches([',', ' ']))),
            None => false,
        },
        _ => false,
    };
    (!is_added).then_some(fact)
}

/// The host that a client claims in a forwarding header.
const DECEIT: &str = "deceit.example";
