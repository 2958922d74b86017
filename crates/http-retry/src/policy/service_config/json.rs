//! Parsers of the values in a service config's JSON.
//!
//! The format is that of protobuf's JSON. A duration is written as `"0.1s"`, and a code as its name in any case or as its
//! number. Unknown keys are ignored, as gRPC does.

use std::time::Duration;

use serde_json::Value;

use super::{GrpcRetryConfig, GrpcRetryPolicy};
use crate::{Budget, GrpcCode, ServiceConfigError};

impl GrpcRetryPolicy {
    /// Parses the JSON object of a method's `retryPolicy`.
    ///
    /// ```
    /// # use http_retry::GrpcRetryPolicy;
    /// let policy = GrpcRetryPolicy::from_json(r#"{
    ///     "maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2,
    ///     "retryableStatusCodes": ["UNAVAILABLE"]
    /// }"#)?;
    /// # Ok::<_, http_retry::ServiceConfigError>(())
    /// ```
    pub fn from_json(text: &str) -> Result<Self, ServiceConfigError> {
        Self::from_value(&parse("retryPolicy", text)?)
    }

    pub(super) fn from_value(object: &Value) -> Result<Self, ServiceConfigError> {
        let field = "retryableStatusCodes";
        let codes = &object[field];
        let codes = codes.as_array().ok_or_else(|| invalid(field, codes, "a list of codes"))?;
        Self::new(GrpcRetryConfig {
            max_attempts: integer(object, "maxAttempts")?,
            initial_backoff: duration(object, "initialBackoff")?,
            max_backoff: duration(object, "maxBackoff")?,
            backoff_multiplier: number(object, "backoffMultiplier")?,
            retryable_status_codes: codes.iter().map(code).collect::<Result<_, _>>()?,
        })
    }
}

impl Budget {
    /// Parses the JSON object of a gRPC service config's `retryThrottling`; see [`throttling`](Self::throttling).
    pub fn throttling_from_json(text: &str) -> Result<Self, ServiceConfigError> {
        Self::throttling_from_value(&parse("retryThrottling", text)?)
    }

    pub(super) fn throttling_from_value(object: &Value) -> Result<Self, ServiceConfigError> {
        Self::throttling(integer(object, "maxTokens")?, number(object, "tokenRatio")?)
    }
}

/// Parses a text that must be an object. A missing field reads as null, and the parser of each field reports it.
pub(super) fn parse(field: &str, text: &str) -> Result<Value, ServiceConfigError> {
    match serde_json::from_str(text) {
        Ok(value) => object(field, &value).map(|()| value),
        Err(error) => Err(ServiceConfigError::new(field, format!("not readable ({error})"), OBJECT)),
    }
}

/// Checks that a value is an object.
pub(super) fn object(field: &str, value: &Value) -> Result<(), ServiceConfigError> {
    value.is_object().then_some(()).ok_or_else(|| invalid(field, value, OBJECT))
}

pub(super) fn invalid(field: &str, value: &Value, allowed: &'static str) -> ServiceConfigError {
    ServiceConfigError::new(field, value, allowed)
}

fn integer(object: &Value, field: &str) -> Result<u32, ServiceConfigError> {
    let value = number(object, field)?;
    let is_integer = value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value);
    is_integer.then_some(value as u32).ok_or_else(|| invalid(field, &object[field], "a whole number"))
}

fn number(object: &Value, field: &str) -> Result<f64, ServiceConfigError> {
    object[field].as_f64().ok_or_else(|| invalid(field, &object[field], "a number"))
}

/// Parses seconds with up to nine decimals and an `s`.
fn duration(object: &Value, field: &str) -> Result<Duration, ServiceConfigError> {
    let value = &object[field];
    value.as_str().and_then(seconds).ok_or_else(|| invalid(field, value, "seconds, such as \"0.1s\""))
}

fn seconds(text: &str) -> Option<Duration> {
    let text = text.strip_suffix('s')?;
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(decimals) || decimals.len() > 9 {
        return None;
    }
    Some(Duration::new(whole.parse().ok()?, format!("{decimals:0<9}").parse().ok()?))
}

fn code(value: &Value) -> Result<GrpcCode, ServiceConfigError> {
    let code = match value {
        Value::String(name) => GrpcCode::from_name(name),
        number => number.as_u64().and_then(GrpcCode::from_number),
    };
    code.ok_or_else(|| invalid("retryableStatusCodes", value, "the names or numbers of codes"))
}

const OBJECT: &str = "a JSON object";

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a policy in JSON with one field replaced.
    fn json(field: &str, value: &str) -> String {
        let mut fields = vec![
            ("maxAttempts", "4"),
            ("initialBackoff", r#""0.1s""#),
            ("maxBackoff", r#""1s""#),
            ("backoffMultiplier", "2"),
            ("retryableStatusCodes", r#"["UNAVAILABLE"]"#),
            ("perAttemptRecvTimeout", r#""1s""#),
        ];
        fields.retain(|(name, _)| *name != field);
        if value != "absent" {
            fields.push((field, value));
        }
        let fields: Vec<_> = fields.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
        format!("{{{}}}", fields.join(", "))
    }

    #[test]
    fn json_gives_the_same_policy_as_the_constructor() {
        let values = GrpcRetryConfig {
            max_attempts: 3,
            initial_backoff: Duration::from_millis(100),
            max_backoff: Duration::new(1, 500_000_001),
            backoff_multiplier: 1.5,
            retryable_status_codes: vec![GrpcCode::Unavailable, GrpcCode::Aborted],
        };
        let text = r#"{"maxAttempts": 3, "initialBackoff": "0.1s", "maxBackoff": "1.500000001s",
            "backoffMultiplier": 1.5, "retryableStatusCodes": ["unavailable", 10]}"#;
        assert_eq!(GrpcRetryPolicy::from_json(text), GrpcRetryPolicy::new(values));
    }

    #[track_caller]
    fn check(field: &str, value: &str, expected: &str) {
        let error = GrpcRetryPolicy::from_json(&json(field, value)).unwrap_err();
        assert_eq!(error.to_string(), format!("`{field}` is {expected}"), "{value}");
    }

    #[test]
    fn an_error_names_the_value_and_the_allowed_ones() {
        check("maxAttempts", "absent", "null, and must be a number");
        check("maxAttempts", "1", "1, and must be 2 or more");
        check("maxAttempts", "-1", "-1, and must be a whole number");
        check("maxAttempts", "2.5", "2.5, and must be a whole number");
        check("initialBackoff", "0.1", "0.1, and must be seconds, such as \"0.1s\"");
        for value in ["\"-1s\"", "\"100ms\"", "\"s\"", "\"1.s\"", "\".1s\"", "\"0.1234567890s\"", "\"1e3s\""]
        {
            check("maxBackoff", value, &format!("{value}, and must be seconds, such as \"0.1s\""));
        }
        check("maxBackoff", "\"0.0s\"", "0s, and must be more than 0s");
        check("backoffMultiplier", "\"2\"", "\"2\", and must be a number");
        check("retryableStatusCodes", "[]", "empty, and must be one code or more");
        check("retryableStatusCodes", "14", "14, and must be a list of codes");
        for (list, value) in [("[17]", "17"), ("[\"GONE\"]", "\"GONE\""), ("[true]", "true"), ("[-1]", "-1")]
        {
            let expected = format!("{value}, and must be the names or numbers of codes");
            check("retryableStatusCodes", list, &expected);
        }
    }

    #[test]
    fn anything_but_an_object_is_an_error() {
        for text in ["", "{", "3", "\"4\"", "[4]", "{} {}"] {
            let error = GrpcRetryPolicy::from_json(text).unwrap_err();
            assert_eq!((error.field(), error.allowed()), ("retryPolicy", "a JSON object"));
        }
    }

    #[test]
    fn throttling_is_parsed() {
        let budget = Budget::throttling_from_json(r#"{"maxTokens": 10, "tokenRatio": 0.1}"#).unwrap();
        assert_eq!(budget.tokens(), 10.0);
        for (text, expected) in [
            (r#"{"tokenRatio": 0.1}"#, "`maxTokens` is null, and must be a number"),
            (r#"{"maxTokens": 10}"#, "`tokenRatio` is null, and must be a number"),
            (r#"{"maxTokens": 0, "tokenRatio": 0.1}"#, "`maxTokens` is 0, and must be from 1 to 1000"),
        ] {
            assert_eq!(Budget::throttling_from_json(text).unwrap_err().to_string(), expected);
        }
    }
}
