//! The parser of an event stream, which reads up to the first event that is more than a sign of life.

mod event;

use std::time::{Duration, SystemTime};

use self::event::EventKind;
pub(super) use self::event::api;
use super::body_signal::{BodySignal, Finding};
use super::byte_order_mark;
use super::stream_api::StreamApi;

/// The kind of a stream's first event that is more than a sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FirstEvent {
    /// The event is an error that another attempt may avoid, with the wait that it names.
    Failure(Option<Duration>),
    /// The event is an error that no wait changes.
    QuotaGone,
    /// The event is anything else.
    Output,
}

/// A parser of the events of a stream, or of its frames.
pub(super) trait StreamParser {
    /// Parses more bytes. Returns the kind of the first event that is more than a sign of life, once it is whole.
    fn feed(&mut self, bytes: &[u8]) -> Option<FirstEvent>;

    /// Ends the stream. Returns the kind of an event that its end makes whole.
    fn finish(&mut self) -> Option<FirstEvent> {
        None
    }
}

/// Parses an event stream up to its first event that is more than a sign of life, in pieces of any size (HTML standard,
/// section 9.2.6).
///
/// Comments and pings only keep the connection alive, and other signs of life come before any output. No crate does this:
/// they take the body and return events, while the gateway has to pass the bytes on unchanged.
#[derive(Debug, Default)]
pub(super) struct Parser {
    /// The API that the events so far are those of.
    api: Option<StreamApi>,
    line: Vec<u8>,
    /// True after a carriage return: a line feed that follows it ends the same line.
    after_return: bool,
    /// True once a line has ended. Only the first line may start with a byte order mark.
    has_begun: bool,
    is_ping: bool,
    /// `None` before the first `data` line. Without one there is no event.
    data: Option<Vec<u8>>,
}

impl StreamParser for Parser {
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
}

impl Parser {
    /// Returns the API that the events so far are those of.
    pub(super) fn api(&self) -> Option<StreamApi> {
        self.api
    }

    fn parse_line(&mut self, line: &[u8]) -> Option<FirstEvent> {
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        let line = if is_first { byte_order_mark::strip(line) } else { line };
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
        self.api = self.api.or_else(|| event::api(&data));
        match is_ping {
            true => None,
            false => first_event(&data, SystemTime::now()),
        }
    }
}

/// Returns the kind of an event with this data, or `None` for a sign of life.
pub(super) fn first_event(data: &[u8], now: SystemTime) -> Option<FirstEvent> {
    match event::kind(data, now) {
        EventKind::SignOfLife => None,
        EventKind::Failure(wait) => Some(FirstEvent::Failure(wait)),
        EventKind::QuotaGone => Some(FirstEvent::QuotaGone),
        EventKind::Output => Some(FirstEvent::Output),
    }
}

impl From<FirstEvent> for Finding {
    fn from(event: FirstEvent) -> Self {
        match event {
            FirstEvent::Failure(wait) => Self { signal: Some(BodySignal::FailedEarly), wait },
            FirstEvent::QuotaGone => Self { signal: Some(BodySignal::QuotaGone), wait: None },
            FirstEvent::Output => Self::default(),
        }
    }
}

#[cfg(test)]
mod tests;
