//! Streams of AWS's frames that begin with a failure, and streams that do not.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use testkit::listener::listen;

use super::LLM;
use crate::client::{head_bytes, open};
use crate::frames::{event, frame};
use crate::process::Gateway;

/// Checks how often a request reaches an upstream that streams these frames the first time and a good answer the second. The client
/// gets the last of them, byte for byte, and nothing else.
#[track_caller]
fn check(first: &[Vec<u8>], calls: usize) {
    let good =
        [event("messageStart", "{}"), event("contentBlockDelta", "{\"delta\":{\"text\":\"hi\"}}")].concat();
    let streams = [first.concat(), good];
    let expected = streams[calls - 1].clone();
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&seen);
    let upstream = listen(move |_, mut socket| {
        while head_bytes(&mut socket).is_ok() {
            let number = counted.fetch_add(1, Ordering::Relaxed);
            let stream = &streams[number.min(1)];
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\ncontent-length";
            socket.write_all(format!("{head}: {}\r\n\r\n", stream.len()).as_bytes()).unwrap();
            socket.write_all(stream).unwrap();
        }
    });
    let gateway = Gateway::before(&format!("http://{upstream}"), LLM);
    let mut socket = open(gateway.address, "POST /model/scripted/converse-stream", &[], "");
    let head = String::from_utf8(head_bytes(&mut socket).unwrap()).unwrap();
    let mut body = Vec::new();
    socket.read_to_end(&mut body).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!((seen.load(Ordering::Relaxed), body), (calls, expected), "{first:?}");
}

fn exception(kind: &str) -> Vec<u8> {
    frame(&[(":exception-type", kind), (":message-type", "exception")], "{\"message\":\"not now\"}")
}

#[test]
fn a_failure_before_any_output_is_sent_again() {
    let (start, delta) = (event("messageStart", "{}"), event("contentBlockDelta", "{}"));
    check(&[exception("throttlingException")], 2);
    check(&[start.clone(), exception("serviceUnavailableException")], 2);
    check(&[start.clone(), delta, exception("throttlingException")], 1);
    check(&[start, exception("validationException")], 1);
    check(&[b"no frame".to_vec()], 1);
}
