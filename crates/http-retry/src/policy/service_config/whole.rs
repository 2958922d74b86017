//! All of a service config: which method is retried how.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;

use super::json::{object, parse, wrong};
use crate::rules::grpc;
use crate::{
    Attempt, Budget, FailureKind, GiveUpReason, GrpcCode, GrpcRetryPolicy, Outcome, Plan, Policy, RetryCause,
    RetryContext, ServiceConfigError, Verdict, Window,
};

/// A whole gRPC service config, as a policy that knows each method by the path of its calls, `/service/method`.
///
/// The most specific name counts: that of the method, else that of its service, else `{}`, which is that of all. A method
/// without a `retryPolicy` there is sent again once and at once, where it never left or the server refused it unprocessed:
/// gRPC A6 does that for all.
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
/// assert_eq!(config.retry_policy("/shop.Orders/List").unwrap().attempts(), 4);
/// assert!(config.retry_policy("/shop.Orders/Place").is_none());
/// # Ok::<_, http_retry::ServiceConfigError>(())
/// ```
///
/// It gives up where a method's `maxAttempts` were made, so the attempts of the [`Session`](crate::Session), or the
/// layer's, are [`GrpcRetryPolicy::MAX_ATTEMPTS`].
#[derive(Clone, Debug)]
pub struct GrpcServiceConfig {
    /// By `/service/method`, `/service/`, and nothing at all for `{}`.
    methods: HashMap<String, Option<GrpcRetryPolicy>>,
    throttling: Option<Budget>,
}

impl GrpcServiceConfig {
    /// Reads the JSON of a service config, by the rules of gRPC's `service_config.proto`. Keys that it does not know are
    /// left alone, as gRPC leaves them.
    ///
    /// # Errors
    ///
    /// Names the value that is not allowed. Two equal names are not, nor is a method without its service. A
    /// `hedgingPolicy` is not either: nothing here hedges, and calls that were meant to be sent twice would be sent once.
    pub fn from_json(text: &str) -> Result<Self, ServiceConfigError> {
        let document = parse("serviceConfig", text)?;
        let mut methods = HashMap::new();
        for (place, config) in list(&document, "methodConfig")?.iter().enumerate() {
            add(config, &mut methods).map_err(|error| error.within(&format!("methodConfig[{place}]")))?;
        }
        let throttling = optional(&document, "retryThrottling", Budget::throttling_of)?;
        Ok(Self { methods, throttling })
    }

    /// The `retryPolicy` of the method that is called by this path, if it has one.
    pub fn retry_policy(&self, path: &str) -> Option<&GrpcRetryPolicy> {
        let service = path.rfind('/').map_or("", |slash| &path[..=slash]);
        [path, service, ""].into_iter().find_map(|name| self.methods.get(name))?.as_ref()
    }

    /// A budget by the `retryThrottling`, if there is one: full, and apart from all that were made before. gRPC has one
    /// for each server.
    pub fn throttling(&self) -> Option<Budget> {
        self.throttling.as_ref().map(Budget::afresh)
    }
}

impl Policy for GrpcServiceConfig {
    fn classify(&self, attempt: &Attempt<'_>) -> Verdict {
        let has_succeeded = |head| matches!(GrpcCode::of(&head), None | Some(GrpcCode::Ok));
        if attempt.outcome.response().is_some_and(has_succeeded) {
            // Most calls succeed, and then the method does not matter.
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
        // The session sends it at once, and does not count it.
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

/// Adds the methods that one `methodConfig` is about.
fn add(
    config: &Value,
    methods: &mut HashMap<String, Option<GrpcRetryPolicy>>,
) -> Result<(), ServiceConfigError> {
    object("", config)?;
    let hedging = &config["hedgingPolicy"];
    if !hedging.is_null() {
        return Err(wrong("hedgingPolicy", hedging, "absent, since nothing here hedges"));
    }
    let policy = optional(config, "retryPolicy", GrpcRetryPolicy::of)?;
    for (place, name) in list(config, "name")?.iter().enumerate() {
        let path = path(name).and_then(|path| match methods.insert(path, policy) {
            None => Ok(()),
            Some(_) => Err(wrong("", name, "a name that no other has")),
        });
        path.map_err(|error| error.within(&format!("name[{place}]")))?;
    }
    Ok(())
}

/// How the calls of the methods of this name begin.
fn path(name: &Value) -> Result<String, ServiceConfigError> {
    object("", name)?;
    match (string(name, "service")?, string(name, "method")?) {
        ("", "") => Ok(String::new()),
        ("", _) => Err(wrong("service", &name["service"], "the name of the method's service")),
        (service, method) => Ok(format!("/{service}/{method}")),
    }
}

/// What is missing in protobuf's JSON is empty.
fn string<'a>(object: &'a Value, field: &str) -> Result<&'a str, ServiceConfigError> {
    match &object[field] {
        Value::Null => Ok(""),
        Value::String(text) => Ok(text),
        other => Err(wrong(field, other, "a string")),
    }
}

fn list<'a>(object: &'a Value, field: &str) -> Result<&'a [Value], ServiceConfigError> {
    match &object[field] {
        Value::Null => Ok(&[]),
        Value::Array(values) => Ok(values),
        other => Err(wrong(field, other, "a list")),
    }
}

fn optional<T>(
    parent: &Value,
    field: &str,
    read: impl FnOnce(&Value) -> Result<T, ServiceConfigError>,
) -> Result<Option<T>, ServiceConfigError> {
    let value = &parent[field];
    if value.is_null() {
        return Ok(None);
    }
    object("", value).and_then(|()| read(value)).map(Some).map_err(|error| error.within(field))
}

#[cfg(test)]
mod tests;
