//! Finds out whether an event stream starts with a failure that another attempt may avoid.

use bytes::Bytes;
use http_body::Body;
use tokio::time::Instant;

use super::body_signal::BodySignal;
use super::error_body::{self, ApiError};
use super::peeked_body::{Chunk, PeekedBody};
use super::quota;
use crate::time::pooled_timeout::TimerPool;

/// Reads a stream to the end of its first event, up to [`MAX_BYTES`] and until the deadline.
pub(super) async fn find<B>(
    body: &mut PeekedBody<B>,
    deadline: Instant,
    timers: &Alarms,
) -> Option<BodySignal>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (mut parser, mut first) = (Parser::default(), None);
    let reading = body.read(MAX_BYTES, deadline, timers, |chunk| {
        first = match chunk {
            Chunk::Data(data) => parser.feed(data),
            Chunk::End => parser.finish(),
        };
        first.is_some()
    });
    reading.await;
    (first == Some(FirstEvent::Failure)).then_some(BodySignal::FailedEarly)
}

/// The kind of a stream's first event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FirstEvent {
    /// The event is an error that another attempt may avoid.
    Failure,
    /// The event is anything else.
    Other,
}

/// Parses an event stream up to its first event, in pieces of any size (HTML standard, section 9.2.6).
///
/// Comments and pings only keep the connection alive and do not count as events. No crate does this: they take the
/// body and return events, while the gateway has to pass the bytes on unchanged.
#[derive(Debug, Default)]
struct Parser {
    line: Vec<u8>,
    /// True after a carriage return: a line feed that follows it ends the same line.
    after_return: bool,
    /// True once a line has ended. Only the first line may start with a byte order mark.
    has_begun: bool,
    is_ping: bool,
    /// `None` before the first `data` line. Without one there is no event.
    data: Option<Vec<u8>>,
}

impl Parser {
    /// Parses more bytes. Returns the kind of the first event once that event has ended.
    fn feed(&mut self, bytes: &[u8]) -> Option<FirstEvent> {
        for byte in bytes {
            let follows_return = std::mem::replace(&mut self.after_return, *byte == b'\r');
            match byte {
                b'\n' if follows_return => {}
                b'\r' | b'\n' => {
                    let line = std::mem::take(&mut self.line);
                    let first = self.parse_line(&line);
                    if first.is_some() {
                        return first;
                    }
                }
                byte => self.line.push(*byte),
            }
        }
        None
    }

    /// Ends the stream. The standard drops an event without an end, but a complete error stays an error even if the
    /// stream ends right behind it.
    fn finish(&mut self) -> Option<FirstEvent> {
        let line = std::mem::take(&mut self.line);
        self.parse_line(&line).or_else(|| self.dispatch())
    }

    fn parse_line(&mut self, line: &[u8]) -> Option<FirstEvent> {
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        let line = if is_first { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) } else { line };
        if line.is_empty() {
            return self.dispatch();
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &line[..colon] {
            b"event" => self.is_ping = value == b"ping",
            b"data" => match &mut self.data {
                None => self.data = Some(value.to_vec()),
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
            },
            // Comments and other fields say nothing about the answer.
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<FirstEvent> {
        let is_ping = std::mem::take(&mut self.is_ping);
        let data = self.data.take()?;
        if is_ping || error_body::is_ping(&data) {
            return None;
        }
        let is_transient =
            |error: &ApiError| error.is_among(TRANSIENT_ERRORS) && !error.is_among(quota::PERMANENT_ERRORS);
        Some(if ApiError::parse(&data).as_ref().is_some_and(is_transient) {
            FirstEvent::Failure
        } else {
            FirstEvent::Other
        })
    }
}

/// The types and codes of errors that another attempt may avoid.
const TRANSIENT_ERRORS: &[&str] = &[
    // Anthropic: `ErrorType` of its API reference.
    "overloaded_error",
    "rate_limit_error",
    "api_error",
    // OpenAI, whose APIs differ in their types and codes.
    "rate_limit_exceeded",
    "server_error",
    "server_is_overloaded",
    "service_unavailable_error",
    "slow_down",
    // Moonshot.
    "engine_overloaded_error",
    "rate_limit_reached_error",
    // OpenRouter and Azure use statuses as codes.
    "429",
    "500",
    "502",
    "503",
    "529",
];

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
/// The most bytes of a stream that the gateway reads. First events have a few hundred, and these bytes do not count
/// towards `buffers.total`.
const MAX_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests;
