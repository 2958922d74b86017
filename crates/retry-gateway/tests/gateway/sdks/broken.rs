//! Streams that break off after a part of them, read by the SDKs of their APIs. Each must raise an error: a part must never look
//! whole.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::listener::listen;

use super::LLM;
use super::program::Program;
use crate::client::{head_bytes, header};
use crate::frames::event;
use crate::process::Gateway;

/// The text of each stream, in pieces.
const TEXT: [&str; 2] = ["Good ", "morning."];

/// Returns what an SDK tells of a stream of an API that breaks off behind these pieces.
#[track_caller]
fn broken(api: &str, kind: &'static str, pieces: Vec<Vec<u8>>) -> (Vec<String>, Value) {
    let upstream = listen(move |_, mut socket| {
        let head = String::from_utf8(head_bytes(&mut socket).unwrap()).unwrap();
        let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        socket.read_exact(&mut vec![0; length]).unwrap();
        answer(&mut socket, kind, &pieces);
    });
    let gateway = Gateway::before(&format!("http://{upstream}"), LLM);
    let mut program = Program::of("streams.py", "");
    program.call(gateway.address, api);
    let mut text = Vec::new();
    let end = loop {
        let next = program.next();
        match next["piece"].as_str() {
            Some(piece) => text.push(piece.to_owned()),
            None => break next,
        }
    };
    program.done();
    assert_eq!(gateway.log(1)[0]["response_end"], "cut-by-upstream", "{api}");
    (text, end)
}

/// Sends the pieces as chunks, without the last one.
fn answer(socket: &mut TcpStream, kind: &str, pieces: &[Vec<u8>]) {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n");
    socket.write_all(head.as_bytes()).unwrap();
    for piece in pieces {
        let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
        socket.write_all(&chunk).unwrap();
    }
    thread::sleep(Duration::from_millis(20));
}

/// Checks what the SDK reads and raises where the stream breaks off behind its last piece, and what it raises where that happens
/// within this piece.
#[track_caller]
fn check(api: &str, kind: &'static str, pieces: &[Vec<u8>], expected: (&[&str], &str), within: &str) {
    let (text, end) = broken(api, kind, pieces.to_vec());
    assert_eq!((text, end["raised"].as_str()), (strings(expected.0), Some(expected.1)), "{api} {end}");
    let (last, before) = pieces.split_last().unwrap();
    let half = [before, &[last[..last.len() / 2].to_vec()]].concat();
    let (text, end) = broken(api, kind, half);
    assert_eq!((text, end["raised"].as_str()), (strings(&TEXT[..1]), Some(within)), "{api} {end}");
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn responses_raise_the_error_of_the_sdk() {
    let event = |number: usize, kind: &str, fields: Value| {
        let mut data = json!({ "type": kind, "sequence_number": number });
        data.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        format!("event: {kind}\ndata: {data}\n\n").into_bytes()
    };
    let response = json!({
        "id": "resp_1", "object": "response", "created_at": 1, "model": "scripted", "status": "in_progress",
        "output": [], "parallel_tool_calls": true, "tool_choice": "auto", "tools": [],
    });
    let delta = |number, text| {
        let place = json!({ "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": text });
        event(number, "response.output_text.delta", place)
    };
    let created = event(0, "response.created", json!({ "response": response }));
    let pieces = [created, delta(1, TEXT[0]), delta(2, TEXT[1])];
    let told = [TEXT[0], TEXT[1], "error upstream_stream_broken 3"];
    let raised = "openai.APIConnectionError";
    check("responses", "text/event-stream", &pieces, (&told, raised), raised);
}

/// The content of Gemini's answers.
fn candidates(text: &str) -> Value {
    json!({ "candidates": [{ "content": { "role": "model", "parts": [{ "text": text }] }, "index": 0 }] })
}

#[test]
fn gemini_raises_an_error_of_the_api() {
    let pieces = TEXT.map(|text| format!("data: {}\r\n\r\n", candidates(text)).into_bytes());
    let raised = "google.genai.errors.ServerError";
    check("gemini", "text/event-stream", &pieces, (&TEXT, raised), "httpx2.RemoteProtocolError");
}

/// The reader of Google's lists skips an item that is an error.
#[test]
fn a_list_of_gemini_never_looks_whole() {
    let pieces = [
        format!("[{}", candidates(TEXT[0])).into_bytes(),
        format!("\n,\r\n{}", candidates(TEXT[1])).into_bytes(),
    ];
    let raised = "requests.exceptions.ChunkedEncodingError";
    check("gemini-list", "application/json; charset=UTF-8", &pieces, (&TEXT, raised), raised);
}

#[test]
fn bedrock_raises_an_error_of_the_api() {
    let delta = |text| json!({ "contentBlockIndex": 0, "delta": { "text": text } }).to_string();
    let converse = TEXT.map(|text| event("contentBlockDelta", &delta(text)));
    // The texts in base64.
    let invoke =
        ["R29vZCA=", "bW9ybmluZy4="].map(|text| event("chunk", &json!({ "bytes": text }).to_string()));
    for (api, pieces) in [("converse", converse), ("invoke", invoke)] {
        let raised = "botocore.exceptions.EventStreamError";
        let within = "urllib3.exceptions.ProtocolError";
        check(api, "application/vnd.amazon.eventstream", &pieces, (&TEXT, raised), within);
    }
}
