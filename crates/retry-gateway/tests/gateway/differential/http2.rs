//! Requests over HTTP/2: each has a title, and the frames that a client sends. The server behind the proxy speaks HTTP/1.1.

use std::io::{BufRead, Read};

use testkit::raw_http2::{DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, RST_STREAM, SETTINGS, frame};

use super::exchange::Case;
use super::requests;

type Headers<'a> = &'a [(&'a str, &'a [u8])];

/// All requests.
pub(super) fn all() -> Vec<Case> {
    let mut cases = framings_of_methods();
    cases.extend(heads());
    cases
}

/// A case of the frames that follow the preface.
fn case(title: impl Into<String>, frames: &[Vec<u8>]) -> Case {
    let request = [&PREFACE[..], &frame(SETTINGS, 0, 0, &[]), &frames.concat()].concat();
    Case { is_http2: true, ..requests::case(title, request) }
}

/// A head with the pseudo-headers of a method and a path.
fn head(method: &str, path: &str, headers: Headers<'_>) -> Vec<u8> {
    let authority = (":authority", &b"client.example"[..]);
    let pseudo =
        [(":method", method.as_bytes()), (":scheme", b"http"), (":path", path.as_bytes()), authority];
    block(&[&pseudo, headers].concat())
}

/// Header lines as literals that are not indexed (RFC 7541 section 6.2.2).
fn block(headers: Headers<'_>) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(0);
        for text in [name.as_bytes(), value] {
            match u8::try_from(text.len()) {
                Ok(length) if length < 127 => block.push(length),
                _ => {
                    // RFC 7541 section 5.1.
                    block.push(127);
                    let mut rest = text.len() - 127;
                    while rest >= 128 {
                        block.push(u8::try_from(rest % 128).unwrap() | 128);
                        rest /= 128;
                    }
                    block.push(u8::try_from(rest).unwrap());
                }
            }
            block.extend_from_slice(text);
        }
    }
    block
}

fn headers(flags: u8, block: &[u8]) -> Vec<u8> {
    frame(HEADERS, flags | END_HEADERS, 1, block)
}

fn data(flags: u8, bytes: &[u8]) -> Vec<u8> {
    frame(DATA, flags, 1, bytes)
}

/// Each framing for each method.
fn framings_of_methods() -> Vec<Case> {
    let mut cases = Vec::new();
    for method in ["GET", "HEAD", "POST", "DELETE", "QUERY"] {
        let head = |lines: Headers<'_>| head(method, "/", lines);
        let length: Headers<'_> = &[("content-length", b"5")];
        let trailers = headers(END_STREAM, &block(&[("x-sum", b"1")]));
        let framings: [(&str, Vec<Vec<u8>>); 8] = [
            ("no body", vec![headers(END_STREAM, &head(&[]))]),
            ("an empty DATA frame", vec![headers(0, &head(&[])), data(END_STREAM, b"")]),
            ("a body without a length", vec![headers(0, &head(&[])), data(END_STREAM, b"hello")]),
            ("a body and its length", vec![headers(0, &head(length)), data(END_STREAM, b"hello")]),
            (
                "three DATA frames, one of them empty",
                vec![headers(0, &head(&[])), data(0, b"he"), data(0, b""), data(END_STREAM, b"llo")],
            ),
            (
                "a padded DATA frame",
                vec![headers(0, &head(&[])), data(END_STREAM | PADDED, b"\x02hello\0\0")],
            ),
            (
                "announced trailers",
                vec![headers(0, &head(&[("trailer", b"x-sum")])), data(0, b"hello"), trailers.clone()],
            ),
            ("trailers without an announcement", vec![headers(0, &head(&[])), data(0, b"hello"), trailers]),
        ];
        for (title, frames) in framings {
            let response = requests::response_to(method);
            cases.push(Case { response, ..case(format!("HTTP/2 {method} with {title}"), &frames) });
        }
    }
    cases
}

/// Heads, each of a GET without a body.
fn heads() -> Vec<Case> {
    const LINES: [Headers<'static>; 13] = [
        &[("x-a", b"")],
        &[("x-a", b"caf\xe9")],
        &[("x-a", b"a \t b")],
        &[("x-a", b"1"), ("x-b", b"2"), ("x-a", b"3")],
        &[("cookie", b"a=b"), ("cookie", b"c=d")],
        &[("te", b"trailers")],
        &[("host", b"client.example")],
        &[("expect", b"100-continue")],
        &[("x_a", b"1")],
        &[("x!#$%&'*+-.^`|~1", b"1")],
        &[("accept-encoding", b"gzip;q=0.5")],
        &[("priority", b"u=1, i")],
        &[("content-length", b"0")],
    ];
    let get = |title: String, block: &[u8]| case(title, &[headers(END_STREAM, block)]);
    let mut cases: Vec<_> = LINES
        .iter()
        .map(|lines| {
            let line = |(name, value): &(&str, &[u8])| [name.as_bytes(), b": ", value].concat();
            let title = Case::title_of(&lines.iter().map(line).collect::<Vec<_>>().join(&b"\r\n"[..]));
            get(format!("HTTP/2 {title}"), &head("GET", "/", lines))
        })
        .collect();
    for target in ["//a/../b", "/a%2Fb?c=d?e", "/a;b=c", "/?", "/a\"b"] {
        cases.push(get(format!("HTTP/2 target {target}"), &head("GET", target, &[])));
    }
    cases.push(get("HTTP/2 target * of OPTIONS".to_owned(), &head("OPTIONS", "*", &[])));
    cases.push(get("HTTP/2 value of 4000 bytes".to_owned(), &head("GET", "/", &[("x-a", &[b'a'; 4_000])])));
    let without_authority: Headers<'_> =
        &[(":method", b"GET"), (":scheme", b"http"), (":path", b"/"), ("host", b"client.example")];
    cases.push(get("HTTP/2 Host without :authority".to_owned(), &block(without_authority)));
    let whole = head("GET", "/", &[("x-a", b"1"), ("x-b", b"2")]);
    let (first, rest) = whole.split_at(whole.len() / 2);
    let frames = [frame(HEADERS, END_STREAM, 1, first), frame(CONTINUATION, END_HEADERS, 1, rest)];
    cases.push(case("HTTP/2 head in two frames", &frames));
    cases
}

/// Reads frames up to the end of the response. Returns false if the stream is reset, or the connection closes.
pub(super) fn read_response(from: &mut impl BufRead) -> bool {
    let mut head = [0; 9];
    while from.read_exact(&mut head).is_ok() {
        let [high, middle, low, kind, flags, _, _, _, stream] = head;
        let length = u32::from_be_bytes([0, high, middle, low]);
        let mut payload = Vec::new();
        if from.by_ref().take(length.into()).read_to_end(&mut payload).is_err() {
            return false;
        }
        match kind {
            HEADERS | DATA if stream == 1 && flags & END_STREAM != 0 => return true,
            RST_STREAM if stream == 1 => return false,
            _ => {}
        }
    }
    false
}

const PADDED: u8 = 8;
const CONTINUATION: u8 = 9;
