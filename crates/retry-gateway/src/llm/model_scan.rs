//! Finds the field `model` of a JSON object, in pieces of any size.
//!
//! It goes over each byte once, and stores nothing but the name of a field and the model. The readers of JSON in
//! libraries begin anew with each piece, or block until the next one comes.

use bytes::Bytes;
use smallvec::SmallVec;

/// Looks for the field `model` at the top level. It skips all other values, and does not check their syntax.
#[derive(Debug, Default)]
pub(super) struct ModelScan {
    place: Place,
    /// The number of objects and lists around the next byte.
    depth: usize,
    /// The string that the next byte belongs to.
    string: Option<Text>,
    /// Set if the last byte was a backslash in a string.
    is_escaped: bool,
    /// Set if the last name of a field was `model`.
    is_model: bool,
    /// The name or the model so far, with its escapes.
    text: Saved,
    end: Option<End>,
}

/// Names have no allocation, and mostly the model has none either.
type Saved = SmallVec<[u8; 40]>;

/// The part of the top level that is next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Object,
    Name,
    Colon,
    Value,
    /// The rest of a number or a word, and the comma.
    AfterValue,
}

/// The meaning of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    Name,
    Model,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Found,
    NoModel,
}

impl ModelScan {
    /// Takes in more bytes. Returns true if no more are needed.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> bool {
        while self.end.is_none()
            && let Some((&byte, rest)) = bytes.split_first()
        {
            bytes = match self.string {
                Some(string) => self.in_string(string, bytes),
                None => {
                    self.between_strings(byte);
                    rest
                }
            };
        }
        self.end.is_some()
    }

    /// Returns the model without escapes, if it was found.
    pub(super) fn into_model(self) -> Option<Bytes> {
        (self.end == Some(End::Found)).then(|| unescaped(&self.text)).flatten()
    }

    /// Takes in bytes of a string, and returns those behind it.
    fn in_string<'a>(&mut self, string: Text, bytes: &'a [u8]) -> &'a [u8] {
        let end = match self.is_escaped {
            true => Some(0),
            false => memchr::memchr2(b'"', b'\\', bytes),
        };
        let (part, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        let Some((&byte, after)) = rest.split_first() else {
            self.save(string, part);
            return rest;
        };
        self.save(string, part);
        if byte == b'"' && !self.is_escaped {
            self.string = None;
            self.on_string_end(string);
        } else {
            self.save(string, &[byte]);
            self.is_escaped = byte == b'\\' && !self.is_escaped;
        }
        after
    }

    fn save(&mut self, string: Text, part: &[u8]) {
        match string {
            Text::Other => {}
            Text::Model if self.text.len() + part.len() > MAX_MODEL_BYTES => self.end = Some(End::NoModel),
            // A longer name is not `model`, whatever is left out of it.
            Text::Name if self.text.len() > MAX_NAME_BYTES => {}
            Text::Name => self.text.extend_from_slice(&part[..part.len().min(MAX_NAME_BYTES + 1)]),
            Text::Model => self.text.extend_from_slice(part),
        }
    }

    fn on_string_end(&mut self, string: Text) {
        match string {
            Text::Name => {
                let name = &*self.text;
                self.is_model = name == MODEL
                    || name.contains(&b'\\') && unescaped(name).is_some_and(|name| name == MODEL);
                self.text.clear();
                self.place = Place::Colon;
            }
            // A model that is too long has ended the search.
            Text::Model => _ = self.end.get_or_insert(End::Found),
            Text::Other if self.depth == 1 => self.place = Place::AfterValue,
            Text::Other => {}
        }
    }

    fn between_strings(&mut self, byte: u8) {
        if self.depth > 1 {
            match byte {
                b'"' => self.string = Some(Text::Other),
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth -= 1,
                _ => {}
            }
            return;
        }
        match (self.place, byte) {
            (_, b' ' | b'\t' | b'\r' | b'\n') => {}
            (Place::Object, b'{') => (self.depth, self.place) = (1, Place::Name),
            (Place::Name, b'"') => self.string = Some(Text::Name),
            (Place::Colon, b':') => self.place = Place::Value,
            (Place::Value, b'"') => {
                self.string = Some(if self.is_model { Text::Model } else { Text::Other });
            }
            // A model that is no string names none.
            (Place::Value, _) if self.is_model => self.end = Some(End::NoModel),
            (Place::Value, b'{' | b'[') => (self.depth, self.place) = (2, Place::AfterValue),
            (Place::AfterValue, b',') => self.place = Place::Name,
            (Place::Object | Place::Name | Place::Colon, _)
            | (Place::Value | Place::AfterValue, b'}' | b']') => {
                self.end = Some(End::NoModel);
            }
            (Place::Value | Place::AfterValue, _) => self.place = Place::AfterValue,
        }
    }
}

/// Returns a string of JSON without escapes, or `None` if it is malformed.
fn unescaped(text: &[u8]) -> Option<Bytes> {
    if !text.contains(&b'\\') {
        return Some(Bytes::copy_from_slice(text));
    }
    let quoted = [b"\"", text, b"\""].concat();
    serde_json::from_slice::<String>(&quoted).ok().map(Bytes::from)
}

const MODEL: &[u8] = b"model";
/// The longest model, with its escapes.
const MAX_MODEL_BYTES: usize = 512;
/// The length of `model`, if each of its letters is escaped.
const MAX_NAME_BYTES: usize = 30;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn model(json: &[u8], size: usize) -> Option<String> {
        let mut scan = ModelScan::default();
        let _ = json.chunks(size).any(|piece| scan.feed(piece));
        scan.into_model().map(|model| String::from_utf8(model.to_vec()).unwrap())
    }

    #[track_caller]
    fn check(json: &str, expected: Option<&str>) {
        for size in [1, 2, 3, 7, 1000] {
            assert_eq!(model(json.as_bytes(), size).as_deref(), expected, "{json} in pieces of {size}");
        }
    }

    #[test]
    fn the_model_is_found_at_the_top_level_only() {
        check(r#"{"model":"gpt-5","messages":[]}"#, Some("gpt-5"));
        check(r#" { "max_tokens" : 1 , "stream":true,"x":null,"model" : "gpt-5""#, Some("gpt-5"));
        check(r#"{"messages":[{"model":"x","content":"\"model\":\"y\" \\"}],"model":"z"}"#, Some("z"));
        check(r#"{"a":{"model":"x","b":[[{}]]},"model":"z"}"#, Some("z"));
        check(r#"{"content":"model","model":"z"}"#, Some("z"));
        check(r#"{"\u006dod\u0065l":"a\/b\u00e9\"\\"}"#, Some("a/bé\"\\"));
        check(r#"{"model":"","n":1}"#, Some(""));
    }

    #[test]
    fn other_bodies_have_no_model() {
        for json in [
            "",
            "  ",
            "null",
            "[\"model\",\"x\"]",
            "\"model\"",
            "model=x",
            "{}",
            r#"{"a":{"model":"x"}}"#,
            r#"{"model":1}"#,
            r#"{"model":null,"model":"x"}"#,
            r#"{"model":{"model":"x"}}"#,
            r#"{"model":["x"]}"#,
            r#"{"model":"x"#,
            r#"{"model":"\x"}"#,
            r#"{"model" "x"}"#,
            r#"{"modelx":"x","mode":"y"}"#,
            r#"{"a":1}{"model":"x"}"#,
        ] {
            check(json, None);
        }
        check(&format!(r#"{{"model":"{}"}}"#, "x".repeat(MAX_MODEL_BYTES + 1)), None);
        check(&format!(r#"{{"{}":"x","model":"y"}}"#, "x".repeat(100)), Some("y"));
    }

    proptest! {
        /// A reader of a library finds the same, in pieces of any size.
        #[test]
        fn a_model_in_any_object_is_found(
            before in proptest::collection::btree_map(".{0,8}", any::<Option<(i64, String)>>(), 0..5),
            name in ".{0,40}",
            size in 1_usize..20,
        ) {
            let before: Vec<_> = before.iter().filter(|(key, _)| *key != "model").collect();
            let mut json = String::from("{");
            for (key, value) in before {
                json += &format!("{}:{},", serde_json::to_string(key).unwrap(), serde_json::to_string(value).unwrap());
            }
            json += &format!("\"model\":{},\"z\":1}}", serde_json::to_string(&name).unwrap());
            prop_assert_eq!(model(json.as_bytes(), size), Some(name));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, size in 1_usize..9) {
            let mut scan = ModelScan::default();
            let _ = bytes.chunks(size).any(|piece| scan.feed(piece));
            let _ = scan.into_model();
        }
    }
}
