//! Who waits for whom at a limit, for how long, and what is said of it.

mod keys;
mod late;
mod models;
mod permits;
mod told;

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Reply, call, open};
use crate::configured::gateway;
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, response, say};

/// An upstream that refuses all requests until it is opened.
pub(crate) struct Refusing {
    pub(crate) upstream: Upstream,
    is_open: Arc<AtomicBool>,
}

impl Refusing {
    /// Refuses with this hint.
    pub(crate) fn start(hint: &'static str) -> Self {
        Self::only("", hint)
    }

    /// Refuses requests whose head has this text, and serves all others.
    pub(crate) fn only(text: &'static str, hint: &'static str) -> Self {
        let is_open = Arc::<AtomicBool>::default();
        let opened = Arc::clone(&is_open);
        let upstream = Upstream::start(move |_, seen| {
            match seen.head.contains(text) && !opened.load(Ordering::Relaxed) {
                true => say(429, &[hint], "busy"),
                false => say(200, &[], "done"),
            }
        });
        Self { upstream, is_open }
    }

    pub(crate) fn open(&self) {
        self.is_open.store(true, Ordering::Relaxed);
    }
}

/// Sends requests that are refused until the pace stops them: until one gets another answer, or is held back.
#[track_caller]
pub(crate) fn stop(gateway: &Gateway, line: &str, headers: &[&str]) -> Reply {
    for _ in 0..REFUSALS {
        let began = Instant::now();
        let reply = call(gateway.address, line, headers, "");
        if reply.status != 429 || began.elapsed() > Duration::from_millis(400) {
            return reply;
        }
    }
    panic!("{REFUSALS} refusals in a row stop nobody");
}

/// Sends requests that are refused until the pace holds one back. Returns that one's connection.
#[track_caller]
fn first_held(gateway: &Gateway, line: &str, headers: &[&str]) -> TcpStream {
    for _ in 0..REFUSALS {
        let socket = open(gateway.address, line, headers, "");
        socket.set_read_timeout(Some(Duration::from_millis(400))).unwrap();
        if socket.peek(&mut [0]).is_err() {
            socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            return socket;
        }
    }
    panic!("{REFUSALS} refusals in a row stop nobody");
}

/// A gateway that sends nothing again.
fn paced(upstream: &Upstream, pace: &str, route: &str) -> Gateway {
    gateway(&[upstream.url()], pace, &format!("{route}\nretry = false"), "")
}

/// One with an admin listener, and these lines at the top.
fn watched(upstream: &Upstream, top: &str, lines: &str, route: &str) -> Gateway {
    Gateway::by(&format!(
        "admin = \"127.0.0.1:0\"\n{top}\n[upstreams.api]\nendpoints = [{:?}]\n{lines}\n\
         [[routes]]\nupstream = \"api\"\n{route}\nretry = false\n",
        upstream.url()
    ))
}

/// Waits until the pace holds so many requests back.
#[track_caller]
pub(crate) fn wait_paced(gateway: &Gateway, count: f64) {
    let end = Instant::now() + Duration::from_secs(10);
    while gateway.paced_of_api() != count {
        assert!(Instant::now() < end, "{} wait, and not {count}", gateway.paced_of_api());
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn endpoints_have_keys_of_their_own_where_the_key_is_the_endpoint() {
    for key in ["endpoint", "authority"] {
        let refusing = Refusing::start("retry-after: 30");
        let serving = Upstream::answering(vec![say(200, &[], "done")]);
        let urls = [refusing.upstream.url(), serving.url()];
        let pace = format!("pace = {{ key = \"{key}\" }}");
        let gateway = gateway(&urls, &pace, "timeout = \"5s\"\nretry = false", "");
        // The endpoint is drawn.
        let replies: Vec<_> = (0..100).map(|_| call(gateway.address, "GET /", &[], "").status).collect();
        assert!(replies[50..].contains(&200) && replies[50..].contains(&503), "{key}: {replies:?}");
        assert!(refusing.upstream.seen().len() <= REFUSALS, "{key}: {replies:?}");
    }
}

/// A refusal between served answers is the concern of the refused request alone.
#[test]
fn one_refusal_stops_nobody_else() {
    let upstream = Upstream::start(|number, _| match number {
        10 => say(429, &["retry-after: 30"], ""),
        _ => say(200, &[], "done"),
    });
    let gateway = paced(&upstream, "pace = true", "timeout = \"5s\"");
    let replies: Vec<_> = (0..30).map(|_| call(gateway.address, "GET /", &[], "").status).collect();
    assert_eq!(replies.iter().filter(|status| **status == 200).count(), 29, "{replies:?}");
}

#[test]
fn nobody_is_held_for_longer_than_the_longest() {
    let refusing = Refusing::start("retry-after: 30");
    let gateway = paced(&refusing.upstream, "pace = { longest = \"700ms\" }", "timeout = \"5s\"");
    assert_eq!(stop(&gateway, "GET /", &[]).status, 429);
    refusing.open();
    let began = Instant::now();
    assert_eq!(call(gateway.address, "GET /", &[], "").status, 200);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

/// Nobody answers, so that whoever waits for answers sends no more.
#[test]
fn a_slow_start_sends_a_few_at_a_time() {
    for is_slow in [true, false] {
        let upstream = Upstream::answering(vec![Act::Hang]);
        let gateway = paced(&upstream, &format!("pace = {{ slow_start = {is_slow} }}"), "");
        let _clients: Vec<_> = (0..10).map(|_| open(gateway.address, "GET /", &[], "")).collect();
        if is_slow {
            upstream.wait_seen(4);
            thread::sleep(Duration::from_millis(20));
            assert!(upstream.seen().len() < 10);
        } else {
            upstream.wait_seen(10);
        }
    }
}

/// An attempt begins when the pace admits it, however long it waited for that.
#[test]
fn a_wait_for_the_pace_is_no_part_of_the_try() {
    let is_open = Arc::<AtomicBool>::default();
    let opened = Arc::clone(&is_open);
    let upstream = Upstream::start(move |_, _| match opened.load(Ordering::Relaxed) {
        false => say(429, &["retry-after: 2"], ""),
        true => Act::Slowly(vec![String::new(), response(200, &[], "done")], Duration::from_millis(300)),
    });
    let retry = "[routes.retry]\nnum_retries = 0\nper_try_timeout = \"1s\"";
    let gateway = gateway(&[upstream.url()], "pace = true", "", retry);
    assert_eq!(stop(&gateway, "GET /", &[]).status, 429);
    is_open.store(true, Ordering::Relaxed);
    let began = Instant::now();
    let reply = call(gateway.address, "GET /", &[], "");
    assert_eq!((reply.status, reply.body.as_str()), (200, "done"));
    assert!(began.elapsed() > Duration::from_secs(1), "{:?}", began.elapsed());
}

/// More refusals in a row than are needed to stop a key.
const REFUSALS: usize = 20;
