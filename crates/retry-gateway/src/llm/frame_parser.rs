//! The parser of AWS's frames, which reads up to the first that is more than a sign of life.

use std::time::SystemTime;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use super::amazon_frame::{FRAME_BYTES, next_header, parts};
use super::event_parser::{FirstEvent, StreamParser, first_event};

/// Parses frames in pieces of any size.
#[derive(Debug, Default)]
pub(super) struct FrameParser {
    /// The bytes that have not been a whole frame so far.
    bytes: Vec<u8>,
}

/// The headers of a frame that tell its meaning.
#[derive(Debug, Default)]
struct FrameHeaders<'a> {
    message_type: &'a [u8],
    event_type: &'a [u8],
    /// The type of an exception, or the code of an error.
    failure: &'a [u8],
}

/// The payload of a frame of `InvokeModelWithResponseStream`.
#[derive(Debug, Deserialize)]
struct ChunkPayload {
    bytes: String,
}

impl StreamParser for FrameParser {
    /// Parses more bytes. Returns the kind of the first frame that is more than a sign of life, once it is whole. What is no
    /// frame counts as output.
    fn feed(&mut self, bytes: &[u8]) -> Option<FirstEvent> {
        self.bytes.extend_from_slice(bytes);
        let mut start = 0;
        let first = loop {
            let rest = &self.bytes[start..];
            let Some(length) = rest.first_chunk() else { break None };
            let length = u32::from_be_bytes(*length) as usize;
            if !FRAME_BYTES.contains(&length) {
                break Some(FirstEvent::Output);
            }
            let Some(frame) = rest.get(..length) else { break None };
            let first = kind(frame);
            if first.is_some() {
                break first;
            }
            start += length;
        };
        self.bytes.drain(..start);
        first
    }
}

/// Returns the kind of a frame, or `None` for a sign of life.
fn kind(frame: &[u8]) -> Option<FirstEvent> {
    let Some((headers, payload)) = parts(frame) else { return Some(FirstEvent::Output) };
    let headers = FrameHeaders::parse(headers);
    match (headers.message_type, headers.event_type) {
        (b"exception" | b"error", _) => match headers.is_transient() {
            true => Some(FirstEvent::Failure(None)),
            false => Some(FirstEvent::Output),
        },
        (b"event", b"messageStart" | b"contentBlockStart") => None,
        (b"event", b"chunk") => match serde_json::from_slice::<ChunkPayload>(payload) {
            Ok(chunk) => match BASE64_STANDARD.decode(chunk.bytes) {
                Ok(event) => first_event(&event, SystemTime::now()),
                Err(_) => Some(FirstEvent::Output),
            },
            Err(_) => Some(FirstEvent::Output),
        },
        _ => Some(FirstEvent::Output),
    }
}

impl<'a> FrameHeaders<'a> {
    fn parse(mut rest: &'a [u8]) -> Self {
        let mut headers = Self::default();
        while let Some((name, value, after)) = next_header(rest) {
            match name {
                b":message-type" => headers.message_type = value,
                b":event-type" => headers.event_type = value,
                b":exception-type" | b":error-code" => headers.failure = value,
                _ => {}
            }
            rest = after;
        }
        headers
    }

    /// Returns true for a failure that another attempt may avoid.
    fn is_transient(&self) -> bool {
        TRANSIENT.iter().any(|name| self.failure.eq_ignore_ascii_case(name.as_bytes()))
    }
}

/// The failures in the streams of Bedrock that another attempt may avoid (`ConverseStream` and `InvokeModelWithResponseStream`
/// in the reference of its API).
const TRANSIENT: &[&str] = &[
    "internalServerException",
    "modelStreamErrorException",
    "modelTimeoutException",
    "serviceUnavailableException",
    "throttlingException",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::amazon_frame::frame;

    fn event(kind: &str, payload: &str) -> Vec<u8> {
        frame(&[(":event-type", kind), (":message-type", "event")], payload.as_bytes()).to_vec()
    }

    fn exception(kind: &str) -> Vec<u8> {
        frame(&[(":exception-type", kind), (":message-type", "exception")], b"{\"message\":\"no\"}").to_vec()
    }

    fn chunk(event_of_api: &str) -> Vec<u8> {
        event("chunk", &format!("{{\"bytes\":\"{}\",\"p\":\"abc\"}}", BASE64_STANDARD.encode(event_of_api)))
    }

    /// Checks the first event of some frames, whatever pieces they come in.
    #[track_caller]
    fn check(frames: &[Vec<u8>], expected: Option<FirstEvent>) {
        let stream = frames.concat();
        for size in [1, 7, 100, 10_000] {
            let mut parser = FrameParser::default();
            let first = stream.chunks(size).find_map(|piece| parser.feed(piece));
            assert_eq!(first, expected, "{size} {stream:?}");
        }
    }

    const OUTPUT: Option<FirstEvent> = Some(FirstEvent::Output);
    const FAILURE: Option<FirstEvent> = Some(FirstEvent::Failure(None));

    #[test]
    fn a_failure_before_any_output_is_found() {
        let start = || event("messageStart", "{\"role\":\"assistant\"}");
        let block = || event("contentBlockStart", "{\"contentBlockIndex\":0,\"start\":{}}");
        for name in TRANSIENT {
            check(&[exception(name)], FAILURE);
            check(&[start(), block(), exception(name)], FAILURE);
            check(&[chunk("{\"type\":\"message_start\"}"), exception(name)], FAILURE);
            check(&[start(), event("contentBlockDelta", "{}"), exception(name)], OUTPUT);
        }
        let error = frame(&[(":error-code", "ServiceUnavailableException"), (":message-type", "error")], b"");
        check(&[error.to_vec()], FAILURE);
        check(&[chunk("{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}")], FAILURE);
        check(&[start(), block()], None);
    }

    proptest::proptest! {
        /// Bytes of any kind, alone or as headers, are read without a panic, and alike in all pieces.
        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>, size in 1..20_usize) {
            FrameHeaders::parse(&bytes);
            let first = FrameParser::default().feed(&bytes);
            let mut parser = FrameParser::default();
            proptest::prop_assert_eq!(bytes.chunks(size).find_map(|piece| parser.feed(piece)), first);
        }
    }

    #[test]
    fn all_else_is_output() {
        check(&[exception("validationException")], OUTPUT);
        check(&[event("contentBlockDelta", "{\"delta\":{\"text\":\"hi\"}}")], OUTPUT);
        check(&[event("newKind", "{}")], OUTPUT);
        check(&[chunk("{\"type\":\"content_block_delta\"}")], OUTPUT);
        check(&[event("chunk", "{\"bytes\":\"?\"}")], OUTPUT);
        check(&[event("chunk", "7")], OUTPUT);
        check(&[frame(&[], b"").to_vec()], OUTPUT);
        check(&[b"data: {}\n\n".to_vec()], OUTPUT);
        let mut broken = event("messageStart", "{}");
        *broken.last_mut().unwrap() ^= 1;
        check(&[broken], OUTPUT);
        check(&[], None);
    }
}
