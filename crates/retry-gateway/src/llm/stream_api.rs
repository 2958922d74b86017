//! The APIs of language models, by the events of their streams.

use bytes::Bytes;

/// The API whose events a stream has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamApi {
    /// OpenAI's chat completions, which many servers follow.
    Chat,
    /// OpenAI's Responses.
    Responses,
    /// Anthropic's messages.
    Anthropic,
    Gemini,
}

impl StreamApi {
    /// The error of Gemini's streams.
    pub(super) const GEMINI_ERROR: &str =
        r#"{"error":{"code":503,"message":"The upstream's stream broke off.","status":"UNAVAILABLE"}}"#;

    /// Returns the event by which the API reports a failure of its server. `number` is that of the event, where the API counts
    /// its events.
    pub(super) fn error_event(self, number: u64) -> Bytes {
        let data = match self {
            Self::Chat => {
                r#"{"error":{"message":"The upstream's stream broke off.","type":"server_error","param":null,"code":"upstream_stream_broken"}}"#
            }
            Self::Responses => {
                let start = r#"{"type":"error","code":"upstream_stream_broken","message":"The upstream's stream broke off.","param":null"#;
                return format!("event: error\ndata: {start},\"sequence_number\":{number}}}\n\n").into();
            }
            Self::Anthropic => {
                r#"{"type":"error","error":{"type":"api_error","message":"The upstream's stream broke off."}}"#
            }
            Self::Gemini => Self::GEMINI_ERROR,
        };
        let name = if self == Self::Anthropic { "event: error\n" } else { "" };
        format!("{name}data: {data}\n\n").into()
    }
}
