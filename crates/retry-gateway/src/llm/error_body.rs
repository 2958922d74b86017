//! Errors that APIs send in JSON.

use serde_json::Value;

/// The type and the code of an API's error.
#[derive(Debug)]
pub(super) struct ApiError {
    type_and_code: [Option<String>; 2],
}

impl ApiError {
    /// Parses `{"error": {"type": .., "code": ..}}`, the form of OpenAI, Anthropic and compatible APIs. An object whose
    /// own type is `error` is accepted too, as in the streams of OpenAI's Responses API. Returns `None` for anything
    /// else.
    pub(super) fn parse(json: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(json).ok()?;
        let error = match value.get("error") {
            Some(error) if error.is_object() => error,
            _ if value.get("type")?.as_str()? == "error" => &value,
            _ => return None,
        };
        let text = |name| match error.get(name)? {
            Value::String(text) => Some(text.clone()),
            // OpenRouter's codes are statuses.
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        Some(Self { type_and_code: [text("type"), text("code")] })
    }

    /// Returns true if the type or the code is in the list.
    pub(super) fn is_among(&self, list: &[&str]) -> bool {
        self.type_and_code.iter().flatten().any(|text| list.contains(&text.as_str()))
    }
}

/// Returns true for a keep-alive event, which says nothing about the answer.
pub(super) fn is_ping(json: &[u8]) -> bool {
    let value: Option<Value> = serde_json::from_slice(json).ok();
    value.is_some_and(|value| value.get("type").is_some_and(|kind| kind == "ping"))
}
