//! Finds out whether an answer with the status 200 is an error in JSON, as proxies of several vendors send it.

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::StatusCode;
use http_body::Body;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use tokio::time::Instant;

use super::body_signal::{BodySignal, Finding};
use super::byte_order_mark;
use super::decode::BodyDecoder;
use super::error_body::{ApiError, ErrorFields};
use super::json::Object;
use super::peeked_body::{Chunk, PeekedBody};
use super::refusal;
use crate::time::pooled_timeout::TimerPool;

/// Reads an answer up to the first field that tells what it is. Errors that no wait changes count if `peek_quota` is true.
pub(super) async fn find<B>(
    body: &mut PeekedBody<B>,
    decoder: &mut BodyDecoder,
    deadline: Instant,
    timers: &TimerPool,
    peek_quota: bool,
) -> Finding
where
    B: Body<Data = Bytes> + Unpin,
{
    let (mut json, mut left, mut found, mut parsed) = (Vec::new(), MAX_BYTES, None, 0);
    let mut look = |data: &[u8]| {
        json.extend_from_slice(data);
        // Each look begins anew, so a long answer in small pieces is not looked at for each of them.
        if !is_blank(&json) && (json.len() < PIECE_BYTES || json.len() - parsed >= PIECE_BYTES) {
            parsed = json.len();
            found = first_field(byte_order_mark::strip(&json));
        }
        match found {
            None if is_blank(&json) => ReadState::Blank,
            None => ReadState::Undecided,
            Some(_) => ReadState::Decided,
        }
    };
    // White space is a sign of life. A server that has begun its answer sends the rest of it soon, or is an answer that
    // the client gets as it comes.
    let mut state = ReadState::Blank;
    for stage in [ReadState::Blank, ReadState::Undecided] {
        if state != stage {
            break;
        }
        let deadline =
            if stage == ReadState::Blank { deadline } else { deadline.min(Instant::now() + MAX_WAIT) };
        let reading = body.read(MAX_BYTES, deadline, timers, |chunk| match chunk {
            Chunk::Data(data) => {
                let is_past = |data: &[u8]| {
                    state = look(data);
                    state != stage
                };
                decoder.feed(data, &mut left, is_past).unwrap_or(true)
            }
            Chunk::End => true,
        });
        if !reading.await || left == 0 {
            break;
        }
    }
    if found.is_none() && !is_blank(&json) {
        found = first_field(byte_order_mark::strip(&json));
    }
    match found {
        Some(Answer::Error(error)) => meaning(&error, peek_quota),
        Some(Answer::Output) | None => Finding::default(),
    }
}

/// The state of an answer that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReadState {
    /// It is white space so far.
    Blank,
    /// It has begun, and has told nothing.
    Undecided,
    Decided,
}

fn is_blank(json: &[u8]) -> bool {
    let text = byte_order_mark::strip(json);
    text.iter().all(u8::is_ascii_whitespace) || byte_order_mark::is_part(text)
}

/// Returns the status by which the error counts: its code, or that of a failed stream.
fn meaning(error: &ApiError, peek_quota: bool) -> Finding {
    if error.is_permanent() || error.is_too_large() {
        // With another code, the error is one that is not read where it has a status of its own.
        let is_refusal = peek_quota && matches!(error.status(), None | Some(403 | 429 | 503 | 529));
        return if is_refusal { refusal::finding(error) } else { Finding::default() };
    }
    let signal = match error.status() {
        Some(429) => BodySignal::Limited,
        Some(500..=599) => BodySignal::FailedEarly,
        Some(_) => return Finding::default(),
        None if error.is_limit() => BodySignal::Limited,
        None if error.is_transient() => BodySignal::FailedEarly,
        None => return Finding::default(),
    };
    Finding { signal: Some(signal), wait: error.wait() }
}

/// The meaning of an answer.
#[derive(Debug)]
enum Answer {
    Output,
    Error(Box<ApiError>),
}

/// Returns the meaning of the first field that tells it, or `None` if more bytes are needed. A list is that of Gemini, whose
/// items are the events of a stream.
fn first_field(json: &[u8]) -> Option<Answer> {
    let mut found = None;
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let visitor = FieldVisitor { found: &mut found };
    let is_list = json.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let result = match is_list {
        true => deserializer.deserialize_seq(visitor),
        false => deserializer.deserialize_map(visitor),
    };
    match result {
        // The visitor stops early, which the deserializer reports.
        _ if found.is_some() => found,
        Err(error) if error.is_eof() => None,
        Ok(()) | Err(_) => Some(Answer::Output),
    }
}

struct FieldVisitor<'a> {
    found: &'a mut Option<Answer>,
}

impl<'de> DeserializeSeed<'de> for FieldVisitor<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FieldVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while self.found.is_none() && list.next_element_seed(FieldVisitor { found: self.found })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        while let Some(name) = object.next_key::<String>()? {
            match name.as_str() {
                "error" => {
                    if let Some(fields) = object.next_value::<Object<ErrorFields>>()?.fields {
                        let error = ApiError::from_fields(fields, SystemTime::now());
                        *self.found = Some(Answer::Error(Box::new(error)));
                        return Ok(());
                    }
                }
                "choices" | "content" | "candidates" | "output" | "data" => {
                    *self.found = Some(Answer::Output);
                    return Ok(());
                }
                _ => {
                    object.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

impl ApiError {
    /// Returns the code of the error if it is a status of HTTP.
    fn status(&self) -> Option<u16> {
        let code: u16 = self.code()?.parse().ok()?;
        StatusCode::from_u16(code).ok().map(|status| status.as_u16())
    }
}

/// The most bytes of an answer that the gateway reads.
const MAX_BYTES: usize = 16 * 1024;
/// The bytes between two looks at a long answer.
const PIECE_BYTES: usize = 256;
/// The longest time from the first byte of an answer to the field that tells what it is. A server writes both at once.
const MAX_WAIT: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: Option<BodySignal>) {
        let found = match first_field(json.as_bytes()) {
            Some(Answer::Error(error)) => meaning(&error, true).signal,
            _ => None,
        };
        assert_eq!(found, expected, "{json}");
    }

    #[test]
    fn an_error_counts_by_its_code() {
        check(r#"{"error":{"code":429,"message":".."}}"#, Some(BodySignal::Limited));
        check(r#"{"error":{"code":"429","message":".."},"user_id":"x"}"#, Some(BodySignal::Limited));
        check(r#" {"id":"x","error":{"code":"rate_limit_exceeded"}"#, Some(BodySignal::Limited));
        check(r#"{"error":{"code":502,"message":".."}}"#, Some(BodySignal::FailedEarly));
        check(r#"{"type":"error","error":{"type":"overloaded_error"}}"#, Some(BodySignal::FailedEarly));
        let gone = r#"{"error":{"code":429,"type":"insufficient_quota"}}"#;
        check(gone, Some(BodySignal::QuotaGone));
        let Some(Answer::Error(error)) = first_field(gone.as_bytes()) else { panic!("no error") };
        assert_eq!(meaning(&error, false).signal, None);
        check(r#"{"error":{"code":"insufficient_quota"}}"#, Some(BodySignal::QuotaGone));
        check(r#"{"error":{"code":429,"message":"Request too large"}}"#, Some(BodySignal::TooLarge));
        check(r#"[{"error":{"code":429}}]"#, Some(BodySignal::Limited));
        check(
            r#"[{"usageMetadata":{}},
{"error":{"code":503,"status":"UNAVAILABLE"}}"#,
            Some(BodySignal::FailedEarly),
        );
        for json in [
            r#"{"error":{"code":400}}"#,
            r#"{"error":{"code":401,"message":".."}}"#,
            r#"{"error":{"message":".."}}"#,
            r#"{"error":{"code":400,"type":"insufficient_quota"}}"#,
            r#"{"error":null,"output":[]}"#,
            r#"{"error":"rate_limit_exceeded"}"#,
            r#"{"choices":[],"error":{"code":429}}"#,
            r#"{"data":[{"error":{"code":429}}],"error":{"code":429}}"#,
            r#"{"result":{"error":{"code":429}}}"#,
            r#"[{"candidates":[]},{"error":{"code":429}}]"#,
            r#"[["error"]]"#,
            "[]",
            "[7]",
            r#"{"error":{"code":429"#,
            "",
            "null",
            "<html>",
        ] {
            check(json, None);
        }
    }

    #[test]
    fn the_first_field_that_tells_it_ends_the_reading() {
        assert!(matches!(first_field(br#"{"id":"x","choices":[{"#), Some(Answer::Output)));
        assert!(matches!(first_field(br#"{"id":"x","created":1}"#), Some(Answer::Output)));
        assert!(matches!(first_field(b"junk"), Some(Answer::Output)));
        for json in ["", " ", "{", r#"{"id":"x","#, r#"{"id":"x","error":{"code":42"#] {
            assert!(first_field(json.as_bytes()).is_none(), "{json}");
        }
    }
}
