//! Requests that are sent before the gateway knows their model.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{call, head_bytes, open, parse};
use crate::configured::gateway;
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, say};

const JSON: &[&str] = &["authorization: a", "content-type: application/json"];
const PRO: &str = r#"{"messages":[],"model":"pro"}"#;
const FLASH: &str = r#"{"messages":[],"model":"flash"}"#;
const LLM: &str = "profile = \"llm\"\ntimeout = \"30s\"";

/// Each piece of a body arrives at the upstream before the client sends the next one, and the model is in the last.
#[test]
fn a_body_goes_out_as_it_comes() {
    for retry in ["", "retry = false"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let gateway = gateway(&[url], "", LLM, retry);
        let pieces = [r#"{"messages":["#, r#""hello"],"#, r#""model":"pro"}"#];
        let length = format!("content-length: {}", pieces.concat().len());
        let lines = [JSON, &[&*length]].concat();
        let mut client = open(gateway.address, "POST /v1/messages", &lines, "");
        let mut socket = None;
        for piece in pieces {
            client.write_all(piece.as_bytes()).unwrap();
            let socket = socket.get_or_insert_with(|| {
                let mut socket = listener.accept().unwrap().0;
                socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                head_bytes(&mut socket).unwrap();
                socket
            });
            let mut arrived = vec![0; piece.len()];
            socket.read_exact(&mut arrived).unwrap();
            assert_eq!(String::from_utf8(arrived).unwrap(), piece);
        }
        let mut socket = socket.unwrap();
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
        let mut reply = Vec::new();
        client.read_to_end(&mut reply).unwrap();
        assert_eq!(parse(&reply).status, 200);
    }
}

/// An upstream that refuses the model `pro` until it is opened.
fn refusing(hint: &'static str) -> (Upstream, Arc<AtomicBool>) {
    let is_open = Arc::<AtomicBool>::default();
    let opened = Arc::clone(&is_open);
    let upstream =
        Upstream::start(move |_, seen| match seen.body.contains("pro") && !opened.load(Ordering::Relaxed) {
            true => say(429, &[hint], ""),
            false => say(200, &[], "done"),
        });
    (upstream, is_open)
}

fn started(upstream: &Upstream, retry: &str) -> Gateway {
    gateway(&[upstream.url()], "", LLM, retry)
}

fn post(gateway: &Gateway, body: &str) -> (u16, Duration) {
    let began = Instant::now();
    (call(gateway.address, "POST /v1/messages", JSON, body).status, began.elapsed())
}

/// The first request of each model is sent before the model is known.
#[test]
fn a_quiet_model_waits_as_told_and_the_other_does_not() {
    let (upstream, is_open) = refusing("retry-after: 3");
    let gateway = Arc::new(started(&upstream, ""));
    let told = {
        let gateway = Arc::clone(&gateway);
        thread::spawn(move || post(&gateway, PRO))
    };
    upstream.wait_seen(1);
    is_open.store(true, Ordering::Relaxed);
    for _ in 0..5 {
        let (status, waited) = post(&gateway, FLASH);
        assert!(status == 200 && waited < Duration::from_secs(1), "{status} after {waited:?}");
    }
    let (status, waited) = told.join().unwrap();
    assert!(status == 200 && waited >= Duration::from_secs(3), "{status} after {waited:?}");
    let seen = upstream.seen();
    assert_eq!(seen.iter().filter(|seen| seen.body == PRO).count(), 2);
}

/// A connection breaks, and the resend waits for the model that was told to be quiet meanwhile.
#[test]
fn a_resend_waits_for_its_model_though_its_first_attempt_did_not() {
    let is_open = Arc::<AtomicBool>::default();
    let opened = Arc::clone(&is_open);
    let upstream = Upstream::start(move |_, seen| match (&*seen.body, seen.header("idempotency-key")) {
        (PRO, Some(_)) if !opened.load(Ordering::Relaxed) => {
            Act::Part(String::new(), Duration::from_millis(1_500))
        }
        (PRO, None) => say(429, &["retry-after: 6"], ""),
        _ => say(200, &[], "done"),
    });
    let gateway = Arc::new(started(&upstream, "[routes.retry]\nnum_retries = 3"));
    let early = {
        let gateway = Arc::clone(&gateway);
        let lines = [JSON, &["idempotency-key: a"]].concat();
        thread::spawn(move || {
            let began = Instant::now();
            (call(gateway.address, "POST /v1/messages", &lines, PRO).status, began.elapsed())
        })
    };
    upstream.wait_seen(1);
    // Refusals of others stop the model. A probe of a stop of six seconds goes after half of it.
    let refused: Vec<_> = (0..16).map(|_| open(gateway.address, "POST /v1/messages", JSON, PRO)).collect();
    upstream.wait_seen(17);
    is_open.store(true, Ordering::Relaxed);
    let (status, waited) = early.join().unwrap();
    assert!(status == 200 && waited > Duration::from_millis(2_500), "{status} after {waited:?}");
    drop(refused);
}

/// A client that vanishes in the middle of its body cuts the request that was sent meanwhile.
#[test]
fn a_client_that_vanishes_in_its_body_is_no_answer_to_anybody() {
    let (upstream, _) = refusing("retry-after: 30");
    let gateway = started(&upstream, "");
    for _ in 0..30 {
        let mut client = open(gateway.address, "POST /", &[JSON, &["content-length: 99"]].concat(), "");
        client.write_all(br#"{"mess"#).unwrap();
        drop::<TcpStream>(client);
    }
    let (status, waited) = post(&gateway, FLASH);
    assert!(status == 200 && waited < Duration::from_secs(1), "{status} after {waited:?}");
}
