//! The end of a `text/event-stream`.

use bytes::Bytes;

use crate::llm::event_parser::{Parser, StreamParser};
use crate::llm::stream_api::StreamApi;

/// Follows an event stream on its way to the client.
#[derive(Debug)]
pub(crate) struct EventsEnd {
    api: Option<StreamApi>,
    /// Looks for the first event that tells the API. `None` once it has come, and once it need not be looked for.
    parser: Option<Box<Parser>>,
    /// The bytes that the parser may still see.
    left: usize,
    /// The last bytes of the stream.
    tail: [u8; TAIL_BYTES],
    /// The last number of an event, where the API counts its events.
    number: Option<u64>,
}

impl EventsEnd {
    /// Follows a stream whose start `parser` has seen.
    pub(crate) fn new(parser: Parser) -> Self {
        let (api, parser, tail) = (None, Some(Box::new(parser)), [0; TAIL_BYTES]);
        let mut end = Self { api, parser, left: MAX_BYTES, tail, number: None };
        end.look_for_api(&[]);
        end
    }

    /// Notes bytes that the parser has not seen, and that go to the client.
    pub(crate) fn note(&mut self, data: &[u8]) {
        self.look_for_api(data);
        self.note_seen(data);
    }

    /// Notes bytes that go to the client.
    pub(crate) fn note_seen(&mut self, data: &[u8]) {
        if self.api == Some(StreamApi::Responses) {
            self.look_for_number(data);
        }
        let kept = data.len().min(TAIL_BYTES);
        self.tail.rotate_left(kept);
        self.tail[TAIL_BYTES - kept..].copy_from_slice(&data[data.len() - kept..]);
    }

    /// Returns the event that tells the client of the failure of its stream, if the stream stands between two events: half an
    /// event must not be taken for a whole one.
    pub(crate) fn error_event(&self) -> Option<Bytes> {
        let is_between_events = BLANK_LINES.iter().any(|line| self.tail.ends_with(line));
        let api = self.api.filter(|_| is_between_events)?;
        Some(api.error_event(self.number.map_or(0, |number| number.saturating_add(1))))
    }

    /// Looks for the last number of an event. A number may have begun in the bytes before.
    fn look_for_number(&mut self, data: &[u8]) {
        let begun = [&self.tail, &data[..data.len().min(TAIL_BYTES)]].concat();
        self.number = last_number(data).or_else(|| last_number(&begun)).or(self.number);
    }

    fn look_for_api(&mut self, data: &[u8]) {
        let Some(parser) = &mut self.parser else { return };
        let seen = &data[..data.len().min(self.left)];
        self.left -= seen.len();
        let is_told = parser.feed(seen).is_some() || parser.api().is_some();
        if is_told || self.left == 0 {
            self.api = parser.api();
            self.parser = None;
        }
    }
}

/// Returns the last number of an event in some bytes, if it ends there. Text of a model has its quotes escaped, so it has no such
/// field.
fn last_number(data: &[u8]) -> Option<u64> {
    memchr::memmem::rfind_iter(data, NUMBER).find_map(|at| {
        let text = data[at + NUMBER.len()..].trim_ascii_start();
        let digits = text.iter().position(|byte| !byte.is_ascii_digit())?;
        str::from_utf8(&text[..digits]).ok()?.parse().ok()
    })
}

/// The field of OpenAI's Responses API that counts the events of a stream.
const NUMBER: &[u8] = b"\"sequence_number\":";
/// The ends of an event: an empty line behind the end of another one (HTML standard, section 9.2.6).
const BLANK_LINES: [&[u8]; 5] = [b"\n\n", b"\r\r", b"\n\r\n", b"\n\r", b"\r\n\n"];
/// More than a number takes with its field.
const TAIL_BYTES: usize = 40;
/// The most bytes in which the gateway looks for an event that tells the API.
const MAX_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(seen: &str, rest: &[&str]) -> Option<&'static str> {
        let mut parser = Parser::default();
        parser.feed(seen.as_bytes());
        let mut end = EventsEnd::new(parser);
        end.note_seen(seen.as_bytes());
        rest.iter().for_each(|data| end.note(data.as_bytes()));
        let event = end.error_event()?;
        let names = ["server_error", "param\":null,", "api_error", "UNAVAILABLE"];
        Some(
            names
                .into_iter()
                .find(|name| event.windows(name.len()).any(|part| part == name.as_bytes()))
                .unwrap(),
        )
    }

    const CHAT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\n";
    const RESPONSES: &str = "event: response.created\ndata: {\"type\":\"response.created\"}\n\n";

    #[test]
    fn an_error_has_the_form_of_the_streams_api() {
        for (seen, name) in [
            (CHAT, "server_error"),
            ("data: {\"choices\":[],\"usage\":{}}\n\n", "server_error"),
            (RESPONSES, "param\":null,"),
            ("event: message_start\ndata: {\"type\":\"message_start\"}\n\n", "api_error"),
            ("event: content_block_delta\ndata: {\"type\":\"content_block_delta\"}\n\n", "api_error"),
            ("data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hi\"}]}}]}\n\n", "UNAVAILABLE"),
            (": wait\n\ndata: {\"usageMetadata\":{\"promptTokenCount\":4}}\n\n", "UNAVAILABLE"),
        ] {
            assert_eq!(follow(seen, &[]), Some(name), "{seen}");
            assert_eq!(follow(": wait\n\n", &[seen]), Some(name), "{seen}");
            let (start, rest) = seen.split_at(20);
            assert_eq!(follow(start, &[rest]), Some(name), "{seen}");
        }
        for unknown in ["data: 7\n\n", "data: {\"type\":\"thread.created\"}\n\n", ": wait\n\n", ""] {
            assert_eq!(follow(unknown, &[]), None, "{unknown}");
        }
        assert_eq!(follow("data: 7\n\n", &["data: 7\n\n", CHAT]), None);
    }

    #[test]
    fn an_error_comes_only_between_two_events() {
        for rest in [": ok\n\n", ": ok\r\n\r\n", ": ok\r\r", ": ok\r\n\r"] {
            assert!(follow(CHAT, &[rest]).is_some(), "{rest:?}");
            let pieces: Vec<_> = rest.split_inclusive(|_| true).collect();
            assert!(follow(CHAT, &pieces).is_some(), "{rest:?}");
        }
        for rest in ["d", "data: {", "data: {}", "data: {}\n", "data: {}\r\n", "data: {}\r", "event: x\n"] {
            assert_eq!(follow(CHAT, &[rest]), None, "{rest:?}");
        }
    }

    #[test]
    fn the_error_of_responses_continues_the_numbers_of_their_events() {
        let event = |number: &str| {
            format!("data: {{\"type\":\"response.x\",\"sequence_number\":{number},\"a\":1}}\n\n")
        };
        let stream = format!("{}{}", event("0"), event(" 41"));
        let quoted = "data: {\"delta\":\"\\\"sequence_number\\\":7\"}\n\n".to_owned();
        for (stream, expected) in [
            (stream.clone(), "\"sequence_number\":42}"),
            (stream.clone() + &quoted, "\"sequence_number\":42}"),
            (stream + &event("18446744073709551615"), "\"sequence_number\":18446744073709551615}"),
            (RESPONSES.to_owned(), "\"sequence_number\":0}"),
        ] {
            for size in [1, 7, 30, 1000] {
                let mut end = EventsEnd::new(Parser::default());
                stream.as_bytes().chunks(size).for_each(|piece| end.note(piece));
                let event = String::from_utf8(end.error_event().unwrap().to_vec()).unwrap();
                assert!(event.contains(expected), "{size} {stream} {event}");
            }
        }
    }

    #[test]
    fn a_stream_without_an_end_of_a_line_takes_no_memory() {
        let mut end = EventsEnd::new(Parser::default());
        for _ in 0..100 {
            end.note(&[b'x'; 10_000]);
        }
        assert!(end.parser.is_none());
    }
}
