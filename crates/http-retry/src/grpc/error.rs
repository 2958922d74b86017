//! The error of an invalid service config.

/// A value in a gRPC service config is not allowed.
///
/// ```
/// use http_retry::Budget;
///
/// let error = Budget::throttling(0, 0.1).unwrap_err();
/// assert_eq!((error.field(), error.value()), ("maxTokens", "0"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` is {value}, and must be {allowed}")]
pub struct ServiceConfigError {
    field: String,
    value: String,
    allowed: &'static str,
}

impl ServiceConfigError {
    pub(crate) fn new(field: &str, value: impl ToString, allowed: &'static str) -> Self {
        Self { field: field.to_owned(), value: value.to_string(), allowed }
    }

    /// Returns the error with the field `parent` of the surrounding object before its own field. An error without a field of
    /// its own is about `parent` itself.
    #[cfg(feature = "service-config")]
    pub(crate) fn within(mut self, parent: &str) -> Self {
        if !self.field.is_empty() {
            self.field.insert(0, '.');
        }
        self.field.insert_str(0, parent);
        self
    }

    /// Returns the path of the field in the JSON document, such as `methodConfig[2].retryPolicy.maxAttempts`.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// Returns the value of the field.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Returns a description of the allowed values.
    pub fn allowed(&self) -> &'static str {
        self.allowed
    }
}
