//! Whether a stream of events begins with a failure that another attempt may heal.

use bytes::Bytes;
use http_body::Body;
use tokio::time::Instant;

use super::body_signal::Mark;
use super::error_body::{self, Said};
use super::peeked_body::{Begun, More};
use super::quota;
use crate::time::pooled_timeout::TimerPool;

/// Reads a stream to the end of its first event, within bounds.
pub(super) async fn find<B>(body: &mut Begun<B>, until: Instant, alarms: &TimerPool) -> Option<Mark>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (mut parser, mut first) = (Parser::default(), None);
    let reading = body.read(MOST, until, alarms, |more| {
        first = match more {
            More::Data(data) => parser.read(data),
            More::End => parser.end(),
        };
        first.is_some()
    });
    reading.await;
    (first == Some(First::Failure)).then_some(Mark::FailedEarly)
}

/// What a stream begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    /// One that passes.
    Failure,
    /// Anything else.
    Event,
}

/// Reads a stream as far as its first event, in pieces of any size, by the rules of the HTML standard, section 9.2.6.
///
/// Comments and pings are signs of life, and no event: they say nothing of the answer. Written out, because only this
/// much of a parser is needed, and the crates that have all of one take the body and give back events, while here the
/// bytes must stay as they are.
#[derive(Debug, Default)]
struct Parser {
    line: Vec<u8>,
    /// A line feed that follows belongs to the line that has ended.
    after_return: bool,
    /// Whether a line has ended: a byte order mark stands before the first alone.
    has_begun: bool,
    is_ping: bool,
    /// `None` before there is a line of it: what has none is no event.
    data: Option<Vec<u8>>,
}

impl Parser {
    /// What the stream begins with, once that is known.
    fn read(&mut self, bytes: &[u8]) -> Option<First> {
        for byte in bytes {
            let follows_return = std::mem::replace(&mut self.after_return, *byte == b'\r');
            match byte {
                b'\n' if follows_return => {}
                b'\r' | b'\n' => {
                    let line = std::mem::take(&mut self.line);
                    let first = self.take_line(&line);
                    if first.is_some() {
                        return first;
                    }
                }
                byte => self.line.push(*byte),
            }
        }
        None
    }

    /// The same, where there is no more. The standard drops an event that has no end, but a failure that was said in
    /// full is no less one because the stream ended with it.
    fn end(&mut self) -> Option<First> {
        let line = std::mem::take(&mut self.line);
        self.take_line(&line).or_else(|| self.dispatch())
    }

    fn take_line(&mut self, line: &[u8]) -> Option<First> {
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
            // A comment, or what says nothing of the answer.
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<First> {
        let is_ping = std::mem::take(&mut self.is_ping);
        let data = self.data.take()?;
        if is_ping || error_body::is_ping(&data) {
            return None;
        }
        let passes = |said: &Said| said.is_among(PASSING) && !said.is_among(quota::LASTING);
        Some(if Said::read(&data).as_ref().is_some_and(passes) { First::Failure } else { First::Event })
    }
}

/// What another attempt may heal, by its type or its code.
const PASSING: &[&str] = &[
    // Anthropic: `ErrorType` of its API reference.
    "overloaded_error",
    "rate_limit_error",
    "api_error",
    // OpenAI, whose types and codes differ from one API to the other.
    "rate_limit_exceeded",
    "server_error",
    "server_is_overloaded",
    "service_unavailable_error",
    "slow_down",
    // Moonshot.
    "engine_overloaded_error",
    "rate_limit_reached_error",
    // OpenRouter and Azure say them as statuses.
    "429",
    "500",
    "502",
    "503",
    "529",
];

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
/// First events have a few hundred bytes. What is read for them is not among what requests may keep together.
const MOST: usize = 64 * 1024;

#[cfg(test)]
mod tests;
