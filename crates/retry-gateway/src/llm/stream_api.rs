//! The APIs of language models, by the events of their streams.

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
    /// Returns the event by which the API reports a failure of its server.
    pub(super) fn error_event(self) -> &'static str {
        match self {
            Self::Chat => {
                "data: {\"error\":{\"message\":\"The upstream's stream broke off.\",\"type\":\"server_error\",\
                 \"param\":null,\"code\":\"upstream_stream_broken\"}}\n\n"
            }
            Self::Responses => {
                "event: error\ndata: {\"type\":\"error\",\"code\":\"upstream_stream_broken\",\
                 \"message\":\"The upstream's stream broke off.\",\"param\":null}\n\n"
            }
            Self::Anthropic => {
                "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\
                 \"message\":\"The upstream's stream broke off.\"}}\n\n"
            }
            Self::Gemini => {
                "data: {\"error\":{\"code\":503,\"message\":\"The upstream's stream broke off.\",\
                 \"status\":\"UNAVAILABLE\"}}\n\n"
            }
        }
    }
}
