//! The meaning of one event of a stream: a sign of life, output, or a failure.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::llm::error_body::ApiError;
use crate::llm::json::{Object, Objects, Presence, Scalar};
use crate::llm::stream_api::StreamApi;

/// The meaning of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventKind {
    /// The event says only that the request is at work. A failure may still follow that another attempt avoids.
    SignOfLife,
    /// The event is an error that another attempt may avoid, with the wait that it names.
    Failure(Option<Duration>),
    /// The event is an error that no wait changes: the account's quota is used up or its bill is unpaid.
    QuotaGone,
    /// The event is output, another final error, or unknown. From here on the stream is the client's, because a new kind of event
    /// must not make anybody wait.
    Output,
}

/// The parts of an event that tell its meaning, in all APIs.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Event {
    #[serde(rename = "type")]
    kind: Scalar,
    error: Presence,
    choices: Option<Objects<Choice>>,
    content_block: Object<ContentBlock>,
    candidates: Option<Objects<Candidate>>,
    #[serde(rename = "promptFeedback")]
    prompt_feedback: Presence,
    #[serde(rename = "usageMetadata")]
    usage_metadata: Presence,
}

/// A choice of OpenAI's chat completions.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Choice {
    delta: Object<Delta>,
    text: Presence,
    finish_reason: Presence,
}

/// A delta, as far as it tells if there is more in it than a role.
#[derive(Debug)]
struct Delta {
    has_output: bool,
}

/// A block of Anthropic's messages.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ContentBlock {
    #[serde(rename = "type")]
    kind: Scalar,
    text: Presence,
    thinking: Presence,
}

/// A candidate of Gemini.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Candidate {
    content: Object<Content>,
    #[serde(rename = "finishReason")]
    finish_reason: Presence,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Content {
    parts: Presence,
}

/// Returns the meaning of an event's data.
pub(super) fn kind(data: &[u8], now: SystemTime) -> EventKind {
    if let Some(error) = ApiError::parse(data, now) {
        return match error.is_transient() {
            true => EventKind::Failure(error.wait()),
            false if error.is_permanent() => EventKind::QuotaGone,
            false => EventKind::Output,
        };
    }
    let event = serde_json::from_slice::<Object<Event>>(data).unwrap_or_default();
    match event.fields.is_some_and(|event| event.is_sign_of_life()) {
        true => EventKind::SignOfLife,
        false => EventKind::Output,
    }
}

/// Returns the API whose event this is.
pub(crate) fn api(data: &[u8]) -> Option<StreamApi> {
    serde_json::from_slice::<Object<Event>>(data).unwrap_or_default().fields?.api()
}

impl Event {
    fn api(&self) -> Option<StreamApi> {
        let is_anthropic =
            |kind: &str| ["ping", "message_", "content_block_"].iter().any(|start| kind.starts_with(start));
        match self.kind.0.as_deref() {
            Some(kind) if kind.starts_with("response.") => Some(StreamApi::Responses),
            Some(kind) if is_anthropic(kind) => Some(StreamApi::Anthropic),
            _ if self.choices.is_some() => Some(StreamApi::Chat),
            _ if self.candidates.is_some() || self.usage_metadata.0 || self.prompt_feedback.0 => {
                Some(StreamApi::Gemini)
            }
            _ => None,
        }
    }

    fn is_sign_of_life(&self) -> bool {
        if self.error.0 {
            return false;
        }
        match self.kind.0.as_deref() {
            Some("ping" | "message_start") => true,
            Some("content_block_start") => {
                self.content_block.fields.as_ref().is_some_and(ContentBlock::is_empty)
            }
            Some(kind) if RESPONSES.contains(&kind) => true,
            Some(_) => false,
            None => match (&self.choices, &self.candidates) {
                (Some(choices), _) => choices.0.iter().all(Choice::is_empty),
                (None, Some(candidates)) => {
                    !self.prompt_feedback.0 && candidates.0.iter().all(Candidate::is_empty)
                }
                (None, None) => self.usage_metadata.0 && !self.prompt_feedback.0,
            },
        }
    }
}

impl Choice {
    fn is_empty(&self) -> bool {
        let has_output = self.delta.fields.as_ref().is_some_and(|delta| delta.has_output);
        !has_output && !self.text.0 && !self.finish_reason.0
    }
}

impl ContentBlock {
    fn is_empty(&self) -> bool {
        let is_text = matches!(self.kind.0.as_deref(), Some("text" | "thinking"));
        is_text && !self.text.0 && !self.thinking.0
    }
}

impl Candidate {
    fn is_empty(&self) -> bool {
        !self.finish_reason.0 && self.content.fields.as_ref().is_none_or(|content| !content.parts.0)
    }
}

impl<'de> Deserialize<'de> for Delta {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DeltaVisitor;

        impl<'de> Visitor<'de> for DeltaVisitor {
            type Value = Delta;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Delta, A::Error> {
                let mut has_output = false;
                while let Some((name, Presence(is_present))) = object.next_entry::<String, Presence>()? {
                    has_output |= is_present && name != "role";
                }
                Ok(Delta { has_output })
            }
        }

        deserializer.deserialize_map(DeltaVisitor)
    }
}

/// The events of OpenAI's Responses API that come before any output.
const RESPONSES: &[&str] = &[
    "response.created",
    "response.queued",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
];

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[track_caller]
    fn check(data: &str, expected: EventKind) {
        assert_eq!(kind(data.as_bytes(), UNIX_EPOCH), expected, "{data}");
    }

    #[test]
    fn events_without_output_are_signs_of_life() {
        for data in [
            r#"{"type":"ping"}"#,
            r#"{"type":"response.created","response":{"id":"r","status":"in_progress","error":null}}"#,
            r#"{"type":"response.queued","response":{}}"#,
            r#"{"type":"response.in_progress","response":{"id":"r"}}"#,
            r#"{"type":"response.output_item.added","item":{"type":"message","content":[]}}"#,
            r#"{"type":"response.content_part.added","part":{"type":"output_text","text":""}}"#,
            r#"{"type":"message_start","message":{"role":"assistant","content":[]}}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
            r#"{"id":"c","object":"chat.completion.chunk","choices":[]}"#,
            r#"{"choices":[],"prompt_filter_results":[{"prompt_index":0}]}"#,
            r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null}]}"#,
            r#"{"candidates":[{"content":{"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":4}}"#,
            r#"{"usageMetadata":{"promptTokenCount":4}}"#,
        ] {
            check(data, EventKind::SignOfLife);
        }
    }

    #[test]
    fn output_and_unknown_events_are_the_clients() {
        for data in [
            r#"{"type":"response.output_text.delta","delta":"hi"}"#,
            r#"{"type":"response.output_text.done","text":"hi"}"#,
            r#"{"type":"response.completed","response":{}}"#,
            r#"{"type":"response.incomplete","response":{}}"#,
            r#"{"type":"response.new_kind"}"#,
            r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"hi"}}"#,
            r#"{"type":"content_block_start","content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#,
            r#"{"type":"content_block_start","content_block":{"type":"text","text":"hi"}}"#,
            r#"{"type":"message_stop"}"#,
            r#"{"choices":[{"delta":{"content":"hi"}}]}"#,
            r#"{"choices":[{"delta":{"role":"assistant","tool_calls":[{"index":0}]}}]}"#,
            r#"{"choices":[{"delta":{"reasoning_content":"hm"}}]}"#,
            r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#,
            r#"{"choices":[{"text":"hi"}]}"#,
            r#"{"candidates":[{"content":{"parts":[{"text":"hi"}]}}]}"#,
            r#"{"candidates":[{"finishReason":"SAFETY"}]}"#,
            r#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":4}}"#,
            r#"{"error":"server_error"}"#,
            r#"{"error":{"code":400,"message":".."}}"#,
            r#"{"type":"response.failed","response":{"error":{"code":"invalid_prompt"}}}"#,
            "[DONE]",
            "",
            "{",
            "{}",
            "7",
        ] {
            check(data, EventKind::Output);
        }
    }

    #[test]
    fn a_failure_may_name_a_wait() {
        let failed = r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"rate_limit_exceeded","message":"x"}}}"#;
        check(failed, EventKind::Failure(None));
        let wait = r#"{"error":{"code":"rate_limit_exceeded","message":"Please try again in 3s."}}"#;
        check(wait, EventKind::Failure(Some(Duration::from_secs(3))));
        check(r#"{"type":"error","error":{"type":"overloaded_error"}}"#, EventKind::Failure(None));
        check(r#"{"error":{"code":503,"message":"..","status":"UNAVAILABLE"}}"#, EventKind::Failure(None));
        check(r#"[{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}]"#, EventKind::Failure(None));
    }
}
