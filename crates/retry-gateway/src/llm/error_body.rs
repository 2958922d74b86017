//! Errors that APIs send in JSON.

mod wait;
mod wait_fields;

use std::time::{Duration, SystemTime};

use serde::Deserialize;

use self::wait_fields::WaitFields;
use super::byte_order_mark;
use super::error_words::{
    PER_DAY, PERMANENT, PERMANENT_MESSAGES, PERMANENT_TEXTS, TOO_LARGE_MESSAGE, TRANSIENT,
};
use super::json::{First, Object, Objects, Scalar};

/// The parts of an API's error that say whether and when another attempt makes sense.
#[derive(Debug, Default)]
pub(super) struct ApiError {
    /// The type, the code, the status and the reason.
    words: [Option<String>; 5],
    message: Option<String>,
    /// True if the error is only a text.
    is_text: bool,
    /// True if a quota is used up that counts a day, or that has nothing in it.
    is_of_day: bool,
    /// The wait that the error names.
    wait: Option<Duration>,
}

/// The fields of a body, and of an object in it that is the error.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ErrorFields {
    #[serde(rename = "type")]
    kind: Scalar,
    #[serde(rename = "__type")]
    aws_type: Scalar,
    code: Scalar,
    status: Scalar,
    reason: Scalar,
    message: Scalar,
    details: Objects<Detail>,
    metadata: Object<Metadata>,
    /// The error itself, or its text (Django and many others).
    detail: First<Box<ErrorFields>>,
    errors: First<Box<ErrorFields>>,
    #[serde(flatten)]
    waits: WaitFields,
}

/// A detail of Google's errors: a `RetryInfo`, a `QuotaFailure` or an `ErrorInfo`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Detail {
    #[serde(rename = "retryDelay")]
    retry_delay: Scalar,
    violations: Objects<Violation>,
    metadata: Object<QuotaMetadata>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct QuotaMetadata {
    quota_limit: Scalar,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Violation {
    #[serde(rename = "quotaId")]
    quota_id: Scalar,
    #[serde(rename = "quotaValue")]
    quota_value: Scalar,
}

/// The metadata of OpenRouter's errors.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    headers: Object<MetadataHeaders>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MetadataHeaders {
    #[serde(rename = "X-RateLimit-Reset")]
    reset: Scalar,
}

/// A body with its error.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ErrorDocument {
    #[serde(rename = "type")]
    kind: Scalar,
    object: Scalar,
    error: Object<ErrorFields>,
    response: Object<FailedResponse>,
}

/// The response in an event of OpenAI's Responses API.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FailedResponse {
    error: Object<ErrorFields>,
}

impl ApiError {
    /// Parses `{"error": {"type": .., "code": ..}}`, the form of OpenAI, Anthropic, Google and compatible APIs, or a list whose
    /// first item is that (Gemini). Also accepted are an object whose own type is `error`, one whose `object` is `error`
    /// (Mistral, vLLM), and a `response` with an error, as in the streams of OpenAI's Responses API. Returns `None` for
    /// anything else. `now` is for waits that are times.
    pub(super) fn parse(json: &[u8], now: SystemTime) -> Option<Self> {
        let json = byte_order_mark::strip(json);
        let is_list = json.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
        let ErrorDocument { kind, object, error, response } = match is_list {
            true => serde_json::from_slice::<Objects<ErrorDocument>>(json).ok()?.0.into_iter().next()?,
            false => serde_json::from_slice(json).ok()?,
        };
        if let Some(text) = error.text {
            let beside = Self::top_fields(json).map(|fields| Self::from_fields(fields, now));
            let wait = beside.and_then(|error| error.wait).or_else(|| wait::in_message(&text));
            return Some(Self { message: Some(text), is_text: true, wait, ..Self::default() });
        }
        let fields = error.fields.or_else(|| response.fields?.error.fields);
        let fields = match fields {
            None if [kind, object].iter().any(|word| word.0.as_deref() == Some("error")) => {
                Self::top_fields(json)?
            }
            fields => fields?,
        };
        Some(Self::from_fields(fields, now))
    }

    /// Parses the fields of a body that is no error by itself, but that came with the status of one: an `error` as above, or
    /// fields at the top, as AWS, Telegram and others have them.
    pub(super) fn parse_refusal(json: &[u8], now: SystemTime) -> Option<Self> {
        Self::parse(json, now).or_else(|| Some(Self::from_fields(Self::top_fields(json)?, now)))
    }

    fn top_fields(json: &[u8]) -> Option<ErrorFields> {
        // Without `Object`, serde would take the items of a list for the fields.
        serde_json::from_slice::<Object<ErrorFields>>(byte_order_mark::strip(json)).ok()?.fields
    }

    pub(super) fn from_fields(fields: ErrorFields, now: SystemTime) -> Self {
        let wait = fields.wait(now);
        let is_of_day = fields.details.0.iter().any(Detail::is_of_day);
        let mut error = Self {
            is_of_day,
            wait,
            words: [fields.kind.0, fields.aws_type.0, fields.code.0, fields.status.0, fields.reason.0],
            message: fields.message.0,
            is_text: false,
        };
        for First(inner) in [fields.errors, fields.detail] {
            error.message = error.message.or(inner.text);
            if let Some(inner) = inner.fields.map(|fields| Self::from_fields(*fields, now)) {
                error.is_of_day |= inner.is_of_day;
                error.wait = error.wait.max(inner.wait);
                error.message = error.message.or(inner.message);
                for (word, inner) in error.words.iter_mut().zip(inner.words) {
                    *word = word.take().or(inner);
                }
            }
        }
        error.wait = error.wait.or_else(|| wait::in_message(error.message.as_deref()?));
        error
    }

    /// Returns whether no wait changes the error.
    pub(super) fn is_permanent(&self) -> bool {
        let message = self.message.as_deref().unwrap_or_default();
        self.is_of_day
            || self.is_among(PERMANENT)
            || PERMANENT_MESSAGES.iter().any(|part| message.contains(part))
            || (self.is_text && PERMANENT_TEXTS.iter().any(|part| message.contains(part)))
    }

    /// Returns whether another attempt may avoid the error.
    pub(super) fn is_transient(&self) -> bool {
        self.is_among(TRANSIENT) && !self.is_permanent() && !self.is_too_large()
    }

    /// Returns whether the request is larger than its limit.
    pub(super) fn is_too_large(&self) -> bool {
        self.message.as_deref().is_some_and(|message| message.starts_with(TOO_LARGE_MESSAGE))
    }

    /// Returns whether the error is the refusal of a limit.
    pub(super) fn is_limit(&self) -> bool {
        self.is_among(LIMITS)
    }

    /// Returns the code of the error.
    pub(super) fn code(&self) -> Option<&str> {
        self.words[2].as_deref()
    }

    /// Returns the wait that the error names.
    pub(super) fn wait(&self) -> Option<Duration> {
        self.wait
    }

    fn is_among(&self, list: &[&str]) -> bool {
        // AWS puts details behind a `#` or a `:`.
        let word = |text: &String| {
            text.rsplit('#').next().and_then(|text| text.split(':').next()).map(str::to_owned)
        };
        self.words.iter().flatten().filter_map(word).any(|text| list.contains(&text.as_str()))
    }
}

impl ErrorFields {
    /// Returns the longest wait among the fields.
    fn wait(&self, now: SystemTime) -> Option<Duration> {
        let WaitFields(in_fields) = self.waits;
        let metadata = self.metadata.fields.as_ref().and_then(|metadata| metadata.headers.fields.as_ref());
        let until = metadata.and_then(|headers| wait::until_epoch(headers.reset.0.as_deref()?, now));
        let details =
            self.details.0.iter().filter_map(|detail| wait::protobuf(detail.retry_delay.0.as_deref()?));
        details.chain(in_fields).chain(until).max()
    }
}

impl Detail {
    /// Returns whether a quota is used up that counts a day, or that has nothing in it, as that of a plan without a model.
    fn is_of_day(&self) -> bool {
        let is_of_day = |name: &Scalar| name.0.as_ref().is_some_and(|name| name.contains(PER_DAY));
        let is_gone = |violation: &Violation| {
            is_of_day(&violation.quota_id) || violation.quota_value.0.as_deref() == Some("0")
        };
        self.violations.0.iter().any(is_gone)
            || self.metadata.fields.as_ref().is_some_and(|metadata| is_of_day(&metadata.quota_limit))
    }
}

/// The codes of errors that are refusals of a limit.
const LIMITS: &[&str] =
    &["429", "rate_limit_exceeded", "rate_limit_error", "rate_limited", "RESOURCE_EXHAUSTED"];

#[cfg(test)]
mod tests;
