//! The end of a list of JSON, in which Gemini streams its answers unless it is asked for events.

use bytes::Bytes;

use crate::llm::event_parser;
use crate::llm::stream_api::StreamApi;

/// Follows the items of a list.
#[derive(Debug, Default)]
pub(crate) struct ListEnd {
    /// The number of lists and objects around the next byte.
    depth: usize,
    is_in_string: bool,
    /// Set if the last byte was a backslash in a string.
    is_escaped: bool,
    place: Place,
    /// The first item so far, while the API is not known.
    first: Vec<u8>,
}

/// The kind of the stream, and the place in the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Start,
    /// The first item has not ended.
    First,
    /// Behind the first item, which was one of Gemini's, or in a later item.
    Item,
    Behind,
    BehindComma,
    /// The body is no such list, or its list has ended.
    Other,
}

impl ListEnd {
    /// Notes bytes that go to the client.
    pub(super) fn note(&mut self, mut data: &[u8]) {
        while self.place != Place::Other
            && let Some((&byte, rest)) = data.split_first()
        {
            let skipped = match self.is_in_string && !self.is_escaped {
                true => memchr::memchr2(b'"', b'\\', data).unwrap_or(data.len()),
                false => 0,
            };
            if self.place == Place::First {
                self.first.extend_from_slice(&data[..skipped.max(1)]);
                if self.first.len() > MAX_FIRST_BYTES {
                    self.set_other();
                }
            }
            data = match skipped {
                0 => {
                    self.note_byte(byte);
                    rest
                }
                skipped => &data[skipped..],
            };
        }
    }

    fn note_byte(&mut self, byte: u8) {
        if self.is_in_string {
            self.is_in_string = byte != b'"' || self.is_escaped;
            self.is_escaped = byte == b'\\' && !self.is_escaped;
            return;
        }
        match (byte, self.depth, self.place) {
            (b' ' | b'\t' | b'\r' | b'\n', ..) => {}
            (b'[', 0, Place::Start) => (self.depth, self.place) = (1, Place::First),
            (_, 0, _) | (b']', 1, _) => self.set_other(),
            (b',', 1, Place::Behind) => self.place = Place::BehindComma,
            (b'{' | b'[', ..) => {
                self.depth += 1;
                if self.place != Place::First {
                    self.place = Place::Item;
                }
            }
            (b'}' | b']', ..) => {
                self.depth -= 1;
                if self.depth == 1 {
                    self.end_item();
                }
            }
            (b'"', ..) => self.is_in_string = true,
            _ => {}
        }
    }

    fn end_item(&mut self) {
        let first = std::mem::take(&mut self.first);
        match self.place == Place::First && event_parser::api(&first) != Some(StreamApi::Gemini) {
            true => self.set_other(),
            false => self.place = Place::Behind,
        }
    }

    fn set_other(&mut self) {
        (self.place, self.first) = (Place::Other, Vec::new());
    }

    /// Returns the item that tells of a failure, if the stream stands between two items. The list stays open, because Google's
    /// own reader skips the item: a list that had an end would look whole to it.
    pub(super) fn error_item(&self) -> Option<Bytes> {
        let comma = match self.place {
            Place::Behind => ",",
            Place::BehindComma => "",
            _ => return None,
        };
        Some(format!("{comma}\n{}\n", StreamApi::GEMINI_ERROR).into())
    }
}

/// The most bytes of the first item.
const MAX_FIRST_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn after(stream: &str, size: usize) -> Option<String> {
        let mut end = ListEnd::default();
        stream.as_bytes().chunks(size).for_each(|piece| end.note(piece));
        end.error_item().map(|item| String::from_utf8(item.to_vec()).unwrap())
    }

    const ITEM: &str = r#"{"candidates":[{"content":{"parts":[{"text":"a ] } \" \\"}]}}]}"#;

    #[test]
    fn an_error_comes_between_two_items_and_leaves_the_list_open() {
        let stream = format!(" [{ITEM}\n,\r\n{ITEM}");
        for size in [1, 5, 1000] {
            for end in 0..=stream.len() {
                let behind = stream[..end].trim_end();
                let is_between = end > 2 && (behind.ends_with("}]}}]}") || behind.ends_with("\n,"));
                let told = after(&stream[..end], size);
                assert_eq!(told.is_some(), is_between, "{:?}", &stream[..end]);
                if let Some(error) = told {
                    let list: Vec<serde_json::Value> =
                        serde_json::from_str(&(stream[..end].to_owned() + &error + "]")).unwrap();
                    assert_eq!(list.last().unwrap()["error"]["status"], "UNAVAILABLE");
                }
            }
        }
    }

    #[test]
    fn other_bodies_are_not_ended() {
        for body in [
            String::new(),
            ITEM.to_owned(),
            "[1, 2".to_owned(),
            r#"[{"id":1}"#.to_owned(),
            format!("[{ITEM}]"),
            format!("[{ITEM}]\n"),
            format!("x[{ITEM}"),
            format!("[{{\"usageMetadata\":\"{}\"}}", "x".repeat(MAX_FIRST_BYTES)),
        ] {
            for size in [1, 1000] {
                assert_eq!(after(&body, size), None, "{body:.40}");
            }
        }
    }
}
