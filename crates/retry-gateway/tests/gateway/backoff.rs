//! How long is waited between attempts.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::client::call;
use crate::configured::{gateway, get};
use crate::process::run;
use crate::upstream::{Seen, Upstream, say};

/// An upstream that turns everything away, and what came to it of one request by this `back_off`.
#[track_caller]
fn sent(back_off: &str, timeout: &str, num_retries: usize) -> Vec<Seen> {
    let upstream = Upstream::answering(vec![say(502, &[], "busy")]);
    let retry = format!("[routes.retry]\nnum_retries = {num_retries}\nback_off = {{ {back_off} }}");
    let gateway = gateway(&[upstream.url()], "", &format!("timeout = \"{timeout}\""), &retry);
    assert_eq!(get(&gateway).body, "busy", "{back_off}");
    upstream.seen()
}

/// A request is sent once more for each of these milliseconds, and waits at least as long.
#[track_caller]
fn check_waits(back_off: &str, least: &[u64]) {
    let seen = sent(back_off, "15s", least.len());
    assert_eq!(seen.len(), least.len() + 1, "{back_off}");
    for (pair, least) in seen.windows(2).zip(least) {
        let waited = pair[1].at - pair[0].at;
        assert!(waited >= Duration::from_millis(*least), "{back_off}: {waited:?}, not {least} ms");
    }
}

#[test]
fn attempts_are_as_far_apart_as_the_back_off_says() {
    thread::scope(|scope| {
        for (back_off, least) in [
            ("base_interval = '150ms', max_interval = '5s', jitter = 'none'", &[150, 300, 600][..]),
            ("base_interval = '150ms', max_interval = '200ms', jitter = 'none'", &[150, 200, 200]),
            ("base_interval = '300ms', max_interval = '300ms', jitter = 'equal'", &[150; 5]),
            ("base_interval = '250ms', max_interval = '250ms', jitter = 'proportional'", &[200; 5]),
            ("policy = 'decorrelated', base_interval = '200ms', max_interval = '300ms'", &[200; 5]),
        ] {
            scope.spawn(move || check_waits(back_off, least));
        }
    });
}

/// What ends after the route's timeout is not begun, so nothing needs to be measured.
#[test]
fn a_wait_is_no_longer_than_the_longest() {
    assert_eq!(sent("base_interval = '20s', jitter = 'none'", "15s", 1).len(), 1);
    let capped = sent("base_interval = '100ms', max_interval = '100ms', jitter = 'none'", "3s", 6);
    assert_eq!(capped.len(), 7);
    // 0.1 s, 0.2 s, 0.4 s, 0.8 s; the next would be 1.6 s.
    let growing = sent("base_interval = '100ms', max_interval = '10m', jitter = 'none'", "3s", 6);
    assert!(growing.len() <= 5, "{}", growing.len());
}

/// The windows, as `explain` has them, of the attempts after one that was answered with this status and header line.
#[track_caller]
fn check_windows(retry: &str, status: &str, header: &str, expected: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    let text = format!(
        "listen = \"127.0.0.1:0\"\n[upstreams.api]\nendpoints = [\"http://10.0.0.1\"]\n\
         [[routes]]\nupstream = \"api\"\n[routes.retry]\nnum_retries = 3\n{retry}\n"
    );
    fs::write(&file, text).unwrap();
    let mut arguments = vec!["explain", "--config", file.to_str().unwrap(), "--status", status];
    arguments.extend((!header.is_empty()).then_some(["--header", header]).into_iter().flatten());
    let output = run(&arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    let attempts = text.lines().filter_map(|line| line.strip_prefix("attempt ")?.split_once(": "));
    let windows: Vec<_> =
        attempts.map(|(_, window)| window.trim_end_matches(" after the previous outcome")).collect();
    assert_eq!(windows, expected, "{retry} {header}: {text}");
}

#[test]
fn the_window_is_as_wide_as_the_jitter_and_the_spread_say() {
    let back_off =
        |more: &str| format!("back_off = {{ base_interval = \"100ms\", max_interval = \"300ms\", {more} }}");
    for (more, windows) in [
        ("policy = 'exponential'", ["0.000 s to 0.100 s", "0.000 s to 0.200 s", "0.000 s to 0.300 s"]),
        ("jitter = 'full'", ["0.000 s to 0.100 s", "0.000 s to 0.200 s", "0.000 s to 0.300 s"]),
        ("jitter = 'equal'", ["0.050 s to 0.100 s", "0.100 s to 0.200 s", "0.150 s to 0.300 s"]),
        ("jitter = 'proportional'", ["0.080 s to 0.120 s", "0.160 s to 0.240 s", "0.240 s to 0.360 s"]),
        ("jitter = 'none'", ["0.100 s", "0.200 s", "0.300 s"]),
    ] {
        check_windows(&back_off(more), "502", "", &windows);
    }
    for (hints, windows) in [
        ("", ["2.000 s to 4.000 s"; 3]),
        ("spread = 0.5", ["2.000 s to 3.000 s"; 3]),
        ("spread = 10", ["2.000 s to 7.000 s"; 3]),
        ("spread = 0", ["2.000 s"; 3]),
    ] {
        check_windows(&format!("rate_limited_back_off = {{ {hints} }}"), "503", "retry-after: 2", &windows);
    }
    check_windows("rate_limited_back_off = { max_interval = '1s' }", "503", "retry-after: 2", &[]);
    check_windows("rate_limited_back_off = { on_exceed = 'return' }", "503", "retry-after: 11", &[]);
}

/// Of sixteen that were turned away for 0.2 s, one comes later than the default lets any.
#[test]
fn a_wide_spread_keeps_callers_apart() {
    let upstream = Upstream::start(|_, seen| match seen.header("x-retry-attempt") {
        None => say(503, &["retry-after-ms: 200"], ""),
        Some(_) => say(200, &[], "done"),
    });
    let gateway = gateway(&[upstream.url()], "", "", "[routes.retry]\nrate_limited_back_off.spread = 10");
    thread::scope(|scope| {
        for number in 0..16 {
            let line = format!("GET /{number}");
            let address = gateway.address;
            scope.spawn(move || assert_eq!(call(address, &line, &[], "").body, "done"));
        }
    });
    let seen = upstream.seen();
    let waits: Vec<_> = (0..16)
        .map(|number| {
            let mut sends = seen.iter().filter(|seen| seen.head.starts_with(&format!("GET /{number} ")));
            let first = sends.next().unwrap().at;
            sends.next().unwrap().at - first
        })
        .collect();
    assert!(waits.iter().all(|wait| *wait >= Duration::from_millis(200)), "{waits:?}");
    assert!(waits.iter().any(|wait| *wait >= Duration::from_millis(900)), "{waits:?}");
}
