//! File descriptors: clients leave enough of them to upstreams and operators, and no endpoint is to blame for a lack.

use std::net::TcpStream;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use testkit::http2::{Http2Script, Http2Server};
use testkit::raw_http2::DEFAULT_WINDOW;

use crate::client::{call, call_over};
use crate::http2_client::Http2Client;
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, response, say};

/// The number of ejections of all endpoints.
#[track_caller]
fn ejections(gateway: &Gateway) -> u64 {
    let status = gateway.status();
    let endpoints = status["upstreams"].as_array().unwrap().iter().flat_map(|upstream| {
        upstream["endpoints"]
            .as_array()
            .unwrap()
            .iter()
            .map(|endpoint| endpoint["ejections"].as_u64().unwrap())
    });
    endpoints.sum()
}

#[test]
fn clients_leave_descriptors_to_upstreams_and_operators() {
    let upstreams = [(); 2].map(|()| Upstream::answering(vec![say(200, &[], "")]));
    let endpoints = upstreams.each_ref().map(Upstream::url);
    let gateway = Gateway::by_with_files(
        "-n 256",
        &format!(
            "admin = \"127.0.0.1:0\"\n[upstreams.api]\nendpoints = {endpoints:?}\n[[routes]]\nupstream = \"api\"\n"
        ),
    );
    let warning = gateway.wait_said(0, &["limits.connections"]);
    assert!(
        warning.contains("is 10000, but the limit of 256 open files (ulimit -n) allows 104"),
        "{warning}"
    );
    let mut clients: Vec<_> = (0..300).map(|_| TcpStream::connect(gateway.address).unwrap()).collect();
    // All that were let in send at the same time, so each needs a connection of its own.
    let replies: Vec<_> = clients
        .drain(..100)
        .map(|mut socket| thread::spawn(move || (call_over(&mut socket, "GET /").status, socket)))
        .collect();
    let replies: Vec<_> = replies.into_iter().map(|reply| reply.join().unwrap()).collect();
    assert!(replies.iter().all(|(status, _)| *status == 200));
    assert_eq!(gateway.ask("/healthz").status, 200);
    // The gateway may accept the last of them after it has answered the first.
    let end = Instant::now() + Duration::from_secs(5);
    while gateway.metric("downstream_rq_rejected_total{reason=\"connections\"}") < 196.0 {
        assert!(Instant::now() < end, "clients were let in without a descriptor for them");
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(gateway.metric("file_descriptors_exhausted_total"), 0.0);
    assert_eq!(ejections(&gateway), 0);
    drop((clients, replies));
}

/// A gateway with 40 descriptors for clients and 40 for upstreams, which sends `/first` to one upstream.
fn with_few_descriptors(first: &str, lines: &str) -> (Gateway, [Upstream; 2]) {
    let others = [(); 2].map(|()| Upstream::answering(vec![say(200, &[], "")]));
    let gateway = Gateway::by_with_files(
        "-n 128",
        &format!(
            "admin = \"127.0.0.1:0\"\n[upstreams.first]\nendpoints = [{first:?}]\n{lines}\n[upstreams.other]\n\
             endpoints = {:?}\n[[routes]]\nupstream = \"first\"\npath_prefix = \"/first\"\nretry = false\n\
             [[routes]]\nupstream = \"other\"\nretry = false\n",
            others.each_ref().map(Upstream::url),
        ),
    );
    (gateway, others)
}

/// The requests to one upstream have all descriptors that upstreams may have when requests to another one come.
#[test]
fn a_lack_of_descriptors_is_the_gateways_own() {
    let first = Upstream::answering(vec![Act::Hang]);
    let (gateway, _others) = with_few_descriptors(&first.url(), "");
    let mut client = Http2Client::connect(gateway.address, DEFAULT_WINDOW);
    for _ in 0..40 {
        client.send("GET", "/first", None);
    }
    first.wait_seen(40);
    for _ in 0..10 {
        let reply = call(gateway.address, "POST /", &[], "");
        assert_eq!(reply.status, 503, "{}", reply.head);
        assert!(reply.body.contains("no file descriptor left"), "{}", reply.body);
    }
    assert_eq!(gateway.ask("/healthz").status, 200);
    assert_eq!(gateway.metric("file_descriptors_exhausted_total"), 10.0);
    assert_eq!(ejections(&gateway), 0);
    let told = gateway.said().iter().filter(|line| line.contains("no file descriptor is left")).count();
    assert_eq!(told, 1);
    assert_eq!(gateway.log(10)[9]["attempts"][0]["error"], "no descriptor");
}

/// Has 40 connections to the first upstream opened, which are idle then. Requests to another one need 10.
#[track_caller]
fn check_room(gateway: &Gateway) {
    let clients: Vec<_> = (0..40)
        .map(|_| {
            let mut socket = TcpStream::connect(gateway.address).unwrap();
            thread::spawn(move || {
                assert_eq!(call_over(&mut socket, "GET /first").status, 200);
                socket
            })
        })
        .collect();
    let mut clients: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    let calls: Vec<_> = clients
        .drain(..10)
        .map(|mut socket| thread::spawn(move || call_over(&mut socket, "POST /")))
        .collect();
    for call in calls {
        let reply = call.join().unwrap();
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
    assert_eq!(gateway.metric("file_descriptors_exhausted_total"), 0.0);
}

#[test]
fn idle_connections_make_room_for_another_upstream() {
    // As many requests are answered at the same time as connections to upstreams fit.
    let all = Arc::new(Barrier::new(40));
    let first = Upstream::start(move |_, _| {
        all.wait();
        say(200, &[], "")
    });
    let (gateway, _others) = with_few_descriptors(&first.url(), "");
    check_room(&gateway);
}

#[test]
fn idle_connections_of_http2_make_room_too() {
    let script =
        Http2Script { max_streams: Some(1), delay: Duration::from_millis(1_500), ..Http2Script::default() };
    let first = Http2Server::start(script);
    let (gateway, _others) = with_few_descriptors(&first.url(), "protocol = \"http2\"");
    check_room(&gateway);
    assert!(first.connections() > 30, "{}", first.connections());
}

#[cfg(target_os = "linux")]
#[test]
fn the_soft_limit_is_raised_to_the_hard_one() {
    let upstream = Upstream::answering(vec![Act::Say(response(200, &[], ""))]);
    let gateway = Gateway::by_with_files(
        "-Sn 64; ulimit -Hn 4096",
        &format!("[upstreams.api]\nendpoints = [{:?}]\n[[routes]]\nupstream = \"api\"\n", upstream.url()),
    );
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", gateway.id())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().nth(3), Some("4096"), "{files}");
    let clients: Vec<_> = (0..200).map(|_| TcpStream::connect(gateway.address).unwrap()).collect();
    thread::sleep(Duration::from_millis(50));
    assert_eq!(call(gateway.address, "GET /", &[], "").status, 200);
    drop(clients);
}
