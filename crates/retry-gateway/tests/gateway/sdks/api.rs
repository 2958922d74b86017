//! The two APIs, as far as their SDKs ask for it.

use serde_json::{Value, json};

use crate::upstream::{Seen, response};

/// An official SDK, and the API that it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sdk {
    OpenAi,
    Anthropic,
}

/// What both models say, in pieces.
pub(super) const PIECES: [&str; 3] = ["Good ", "morning", "."];

impl Sdk {
    pub(super) const ALL: [Self; 2] = [Self::OpenAi, Self::Anthropic];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
        }
    }

    /// Whether a request is one that the API knows, with the key by which the profile paces.
    pub(super) fn is_asked(self, seen: &Seen) -> bool {
        let line = match self {
            Self::OpenAi => "POST /v1/chat/completions ",
            Self::Anthropic => "POST /v1/messages ",
        };
        seen.head.starts_with(line) && seen.header("authorization") == Some("Bearer none")
    }

    /// A response that serves the request.
    pub(super) fn answer(self) -> String {
        let text = PIECES.concat();
        let body = match self {
            Self::OpenAi => json!({
                "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "scripted",
                "choices": [{
                    "index": 0, "finish_reason": "stop",
                    "message": { "role": "assistant", "content": text },
                }],
                "usage": { "prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 4 },
            }),
            Self::Anthropic => json!({
                "id": "msg_1", "type": "message", "role": "assistant", "model": "scripted",
                "content": [{ "type": "text", "text": text }],
                "stop_reason": "end_turn", "stop_sequence": null,
                "usage": { "input_tokens": 1, "output_tokens": 3 },
            }),
        };
        response(200, &["content-type: application/json"], &body.to_string())
    }

    /// The same as a stream: its head with the events to the first piece, and the rest.
    pub(super) fn stream(self) -> (String, String) {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        let (before, pieces, after) = match self {
            Self::OpenAi => (
                vec![chunk(json!({ "role": "assistant", "content": "" }), None)],
                PIECES.map(|piece| chunk(json!({ "content": piece }), None)),
                vec![chunk(json!({}), Some("stop")), "data: [DONE]\n\n".to_owned()],
            ),
            Self::Anthropic => (
                vec![
                    event(&json!({ "type": "message_start", "message": {
                        "id": "msg_1", "type": "message", "role": "assistant", "model": "scripted",
                        "content": [], "stop_reason": null, "stop_sequence": null,
                        "usage": { "input_tokens": 1, "output_tokens": 1 },
                    } })),
                    event(&json!({
                        "type": "content_block_start", "index": 0,
                        "content_block": { "type": "text", "text": "" },
                    })),
                    event(&json!({ "type": "ping" })),
                ],
                PIECES.map(|piece| {
                    let delta = json!({ "type": "text_delta", "text": piece });
                    event(&json!({ "type": "content_block_delta", "index": 0, "delta": delta }))
                }),
                vec![
                    event(&json!({ "type": "content_block_stop", "index": 0 })),
                    event(&json!({
                        "type": "message_delta", "usage": { "output_tokens": 3 },
                        "delta": { "stop_reason": "end_turn", "stop_sequence": null },
                    })),
                    event(&json!({ "type": "message_stop" })),
                ],
            ),
        };
        let [first, rest @ ..] = &pieces;
        let framed = |data: &[String]| {
            data.iter().map(|data| format!("{:x}\r\n{data}\r\n", data.len())).collect::<String>()
        };
        (
            format!("{head}{}{}", framed(&before), framed(std::slice::from_ref(first))),
            format!("{}{}0\r\n\r\n", framed(rest), framed(&after)),
        )
    }

    /// A stream that begins with a failure.
    pub(super) fn failed_stream(self) -> String {
        let event = match self {
            Self::OpenAi => {
                "data: {\"error\":{\"message\":\"not now\",\"type\":\"server_error\",\"code\":null}}\n\n"
                    .to_owned()
            }
            Self::Anthropic => event(&json!({
                "type": "error", "error": { "type": "overloaded_error", "message": "not now" },
            })),
        };
        response(200, &["content-type: text/event-stream"], &event)
    }

    /// The body of an error.
    pub(super) fn error(self, message: &str) -> String {
        let body = match self {
            Self::OpenAi => json!({
                "error": { "message": message, "type": "scripted", "param": null, "code": "scripted" },
            }),
            Self::Anthropic => json!({
                "type": "error", "error": { "type": "scripted", "message": message }, "request_id": "req_1",
            }),
        };
        body.to_string()
    }
}

fn chunk(delta: Value, finish: Option<&str>) -> String {
    let chunk = json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted",
        "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
    });
    format!("data: {chunk}\n\n")
}

fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
}
