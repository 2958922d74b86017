//! What an API says went wrong, in JSON.

use serde_json::Value;

/// The words that tell one failure from another.
#[derive(Debug)]
pub(super) struct Said {
    words: [Option<String>; 2],
}

impl Said {
    /// By `{"error": {"type": .., "code": ..}}`, as OpenAI, Anthropic and those who follow them have it, or by the same
    /// without the outer object where the type is `error`, as in the streams of OpenAI's responses. `None` where
    /// nothing went wrong, or nothing is said of it.
    pub(super) fn read(json: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(json).ok()?;
        let error = match value.get("error") {
            Some(error) if error.is_object() => error,
            _ if value.get("type")?.as_str()? == "error" => &value,
            _ => return None,
        };
        let word = |name| match error.get(name)? {
            Value::String(word) => Some(word.clone()),
            // OpenRouter's are statuses.
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        Some(Self { words: [word("type"), word("code")] })
    }

    pub(super) fn is_among(&self, words: &[&str]) -> bool {
        self.words.iter().flatten().any(|word| words.contains(&word.as_str()))
    }
}

/// Whether it is a sign of life, and no event of the answer.
pub(super) fn is_ping(json: &[u8]) -> bool {
    let value: Option<Value> = serde_json::from_slice(json).ok();
    value.is_some_and(|value| value.get("type").is_some_and(|kind| kind == "ping"))
}
