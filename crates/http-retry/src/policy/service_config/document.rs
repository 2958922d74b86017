//! The whole document of a service config, which has a policy for each method.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;

use super::json::{invalid, object, parse};
use crate::rules::grpc;
use crate::{
    Attempt, Budget, FailureKind, GiveUpReason, GrpcCode, GrpcRetryPolicy, Outcome, Plan, Policy, RetryCause,
    RetryContext, ServiceConfigError, Verdict, Window,
};

/// The policy of a whole gRPC service config. It finds the settings of a method by the path of the call,
/// `/service/method`.
///
/// The most specific name counts: that of the method, then that of its service, then `{}`, which matches every method. A
/// call of a method without a `retryPolicy` is sent again once, at once, if it was never sent or the server did not process
/// it. gRPC A6 does that for every method.
///
/// ```
/// use http_retry::GrpcServiceConfig;
///
/// let config = GrpcServiceConfig::from_json(r#"{
///     "methodConfig": [
///         { "name": [{ "service": "shop.Orders", "method": "Place" }] },
///         { "name": [{ "service": "shop.Orders" }], "retryPolicy": {
///             "maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2,
///             "retryableStatusCodes": ["UNAVAILABLE"]
///         } }
///     ],
///     "retryThrottling": { "maxTokens": 10, "tokenRatio": 0.1 }
/// }"#)?;
/// assert_eq!(config.retry_policy("/shop.Orders/List").unwrap().max_attempts(), 4);
/// assert!(config.retry_policy("/shop.Orders/Place").is_none());
/// # Ok::<_, http_retry::ServiceConfigError>(())
/// ```
///
/// The policy gives up after the `maxAttempts` of the method. The [`Session`](crate::Session), or the layer, therefore needs
/// [`GrpcRetryPolicy::MAX_ATTEMPTS`] as its own limit.
#[derive(Clone, Debug)]
pub struct GrpcServiceConfig {
    /// The policies by `/service/method`, `/service/`, or the empty string for `{}`.
    methods: HashMap<String, Option<GrpcRetryPolicy>>,
    throttling: Option<Budget>,
}

impl GrpcServiceConfig {
    /// Parses the JSON of a service config by the rules of gRPC's `service_config.proto`. It ignores unknown keys, as gRPC
    /// does.
    ///
    /// # Errors
    ///
    /// The error names the value that is not allowed. Two equal names are an error, and so is a method without its service. A
    /// `hedgingPolicy` is an error too, because this crate does not hedge and would send such a call only once.
    pub fn from_json(text: &str) -> Result<Self, ServiceConfigError> {
        let document = parse("serviceConfig", text)?;
        let mut methods = HashMap::new();
        for (index, config) in list(&document, "methodConfig")?.iter().enumerate() {
            add(config, &mut methods).map_err(|error| error.within(&format!("methodConfig[{index}]")))?;
        }
        let throttling = optional(&document, "retryThrottling", Budget::throttling_from_value)?;
        Ok(Self { methods, throttling })
    }

    /// Returns the `retryPolicy` of the method with this path, if it has one.
    pub fn retry_policy(&self, path: &str) -> Option<&GrpcRetryPolicy> {
        let service = path.rfind('/').map_or("", |slash| &path[..=slash]);
        [path, service, ""].into_iter().find_map(|name| self.methods.get(name))?.as_ref()
    }

    /// Creates a new, full budget from the `retryThrottling`, if the config has one. gRPC has one budget for each server.
    pub fn throttling(&self) -> Option<Budget> {
        self.throttling.as_ref().map(Budget::with_new_bucket)
    }
}

impl Policy for GrpcServiceConfig {
    fn classify(&self, attempt: &Attempt<'_>) -> Verdict {
        let has_succeeded = |head| matches!(GrpcCode::from_head(&head), None | Some(GrpcCode::Ok));
        if attempt.outcome.response().is_some_and(has_succeeded) {
            // Most calls succeed, and a success needs no look-up of the method.
            return Verdict::Accept;
        }
        match (self.retry_policy(attempt.request.path()), attempt.outcome) {
            (Some(policy), _) => policy.classify(attempt),
            (None, Outcome::Failure(failure)) if is_unprocessed(failure.kind()) => grpc::classify(attempt),
            (None, _) => Verdict::Accept,
        }
    }

    fn schedule(&self, context: &RetryContext<'_>) -> Plan {
        let number = context.attempt.number;
        // The session sends this resend at once and does not count it.
        let is_transparent = context.cause == RetryCause::Unprocessed && context.attempts_used == number;
        match self.retry_policy(context.attempt.request.path()) {
            Some(policy) if is_transparent || context.attempts_used < policy.max_attempts() => {
                policy.schedule(context)
            }
            Some(_) => Plan::GiveUp(GiveUpReason::MaxAttempts),
            None if is_transparent || number == 1 => Window::exactly(Duration::ZERO).into(),
            None => Plan::GiveUp(GiveUpReason::Policy),
        }
    }
}

fn is_unprocessed(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::NeverSent | FailureKind::Unprocessed)
}

/// Adds the methods of one `methodConfig`.
fn add(
    config: &Value,
    methods: &mut HashMap<String, Option<GrpcRetryPolicy>>,
) -> Result<(), ServiceConfigError> {
    object("", config)?;
    let hedging = &config["hedgingPolicy"];
    if !hedging.is_null() {
        return Err(invalid("hedgingPolicy", hedging, "absent, since nothing here hedges"));
    }
    let policy = optional(config, "retryPolicy", GrpcRetryPolicy::from_value)?;
    for (index, name) in list(config, "name")?.iter().enumerate() {
        let path = path(name).and_then(|path| match methods.insert(path, policy) {
            None => Ok(()),
            Some(_) => Err(invalid("", name, "a name that no other has")),
        });
        path.map_err(|error| error.within(&format!("name[{index}]")))?;
    }
    Ok(())
}

/// Returns the path of the methods with this name, or the start of their paths.
fn path(name: &Value) -> Result<String, ServiceConfigError> {
    object("", name)?;
    match (string(name, "service")?, string(name, "method")?) {
        ("", "") => Ok(String::new()),
        ("", _) => Err(invalid("service", &name["service"], "the name of the method's service")),
        (service, method) => Ok(format!("/{service}/{method}")),
    }
}

/// Returns a string. In protobuf's JSON a missing string is empty.
fn string<'a>(object: &'a Value, field: &str) -> Result<&'a str, ServiceConfigError> {
    match &object[field] {
        Value::Null => Ok(""),
        Value::String(text) => Ok(text),
        other => Err(invalid(field, other, "a string")),
    }
}

fn list<'a>(object: &'a Value, field: &str) -> Result<&'a [Value], ServiceConfigError> {
    match &object[field] {
        Value::Null => Ok(&[]),
        Value::Array(values) => Ok(values),
        other => Err(invalid(field, other, "a list")),
    }
}

fn optional<T>(
    parent: &Value,
    field: &str,
    parse: impl FnOnce(&Value) -> Result<T, ServiceConfigError>,
) -> Result<Option<T>, ServiceConfigError> {
    let value = &parent[field];
    if value.is_null() {
        return Ok(None);
    }
    object("", value).and_then(|()| parse(value)).map(Some).map_err(|error| error.within(field))
}

#[cfg(test)]
mod tests;
