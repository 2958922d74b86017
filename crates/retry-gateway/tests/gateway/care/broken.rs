//! Streams that break off after their client got a part of them: the client is told in the form of its API, and the
//! connection is cut.

use std::io::Read;
use std::time::Duration;

use crate::client::{open, parse};
use crate::process::Gateway;
use crate::upstream::{Act, Upstream};

const CHAT: &str =
    "data: {\"object\":\"chat.completion.chunk\",\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\n";
const RESPONSES: &str = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}\n\n\
    event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"hi\"}\n\n";
const ANTHROPIC: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{}}\n\n\
    event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"hi\"}}\n\n";
const GEMINI: &str = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hi\"}]}}]}\r\n\r\n";

/// Returns what a client gets of a stream of these chunks that breaks off, and how its log line says that it ended.
fn cut(headers: &str, chunks: &[&str], is_stalled: bool) -> (String, String) {
    let chunks: String = chunks.iter().map(|chunk| format!("{:x}\r\n{chunk}\r\n", chunk.len())).collect();
    let text = format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n{headers}\r\n{chunks}");
    let act = match is_stalled {
        true => Act::Slowly(vec![text, String::new()], Duration::from_secs(5)),
        false => Act::Part(text, Duration::from_millis(20)),
    };
    let upstream = Upstream::answering(vec![act]);
    let gateway = Gateway::by(&format!(
        "[upstreams.api]\nendpoints = [{:?}]\nresponse_idle_timeout = \"500ms\"\n\
         [[routes]]\nupstream = \"api\"\nprofile = \"llm\"\n",
        upstream.url()
    ));
    let mut socket = open(gateway.address, "POST /v1/x", &[], "{}");
    let mut bytes = Vec::new();
    let _ = socket.read_to_end(&mut bytes);
    assert_eq!(upstream.seen().len(), 1);
    (parse(&bytes).body, gateway.log(1)[0]["response_end"].as_str().unwrap().to_owned())
}

/// The data of the chunks of a body without its end.
#[track_caller]
fn events(body: &str) -> String {
    assert!(!body.contains("0\r\n\r\n"), "the end is not promised: {body:?}");
    let (mut rest, mut data) = (body, String::new());
    while let Some((length, chunks)) = rest.split_once("\r\n") {
        let (chunk, chunks) = chunks.split_at(usize::from_str_radix(length, 16).unwrap());
        data += chunk;
        rest = chunks.strip_prefix("\r\n").unwrap();
    }
    data
}

const CHUNKED: &str = "transfer-encoding: chunked\r\n";

#[test]
fn an_error_event_ends_a_stream_that_broke_off() {
    for (stream, start, field) in [
        (CHAT, "data: {", "/error/code=upstream_stream_broken"),
        (CHAT, "data: {", "/error/type=server_error"),
        (RESPONSES, "event: error\ndata: {", "/type=error"),
        (RESPONSES, "event: error\ndata: {", "/code=upstream_stream_broken"),
        (ANTHROPIC, "event: error\ndata: {", "/type=error"),
        (ANTHROPIC, "event: error\ndata: {", "/error/type=api_error"),
        (GEMINI, "data: {", "/error/status=UNAVAILABLE"),
    ] {
        for (is_stalled, end) in [(false, "cut-by-upstream"), (true, "timed-out")] {
            let (body, ended) = cut(CHUNKED, &[stream, stream, ": ping\n\n"], is_stalled);
            assert_eq!(ended, end, "{stream}");
            let events = events(&body);
            let event =
                events.strip_prefix(&format!("{stream}{stream}: ping\n\n")).expect("all that came before");
            assert!(event.starts_with(start) && event.ends_with("}\n\n"), "{event:?}");
            let (_, data) = event.split_once("data: ").unwrap();
            let json: serde_json::Value = serde_json::from_str(data.trim()).unwrap();
            let (pointer, value) = field.split_once('=').unwrap();
            assert_eq!(json.pointer(pointer).unwrap(), value, "{json}");
        }
    }
}

#[test]
fn a_stream_that_cannot_take_another_event_is_only_cut() {
    let half = "data: {\"choices\":";
    assert_eq!(events(&cut(CHUNKED, &[CHAT, half], false).0), format!("{CHAT}{half}"));
    let unknown = "data: {\"type\":\"thread.created\"}\n\n";
    assert_eq!(events(&cut(CHUNKED, &[unknown], false).0), unknown);
    let packed = format!("content-encoding: gzip\r\n{CHUNKED}");
    assert_eq!(events(&cut(&packed, &[CHAT], false).0), CHAT);
    let (body, _) = cut("content-length: 5000\r\n", &[CHAT], false);
    assert!(!body.contains("upstream_stream_broken"), "{body}");
}
