//! What is wrong with a service config.

/// A value of a gRPC service config that is not allowed.
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

    /// The same in a larger object: in its field `parent`, or that field itself where this one has no name.
    #[cfg(feature = "service-config")]
    pub(crate) fn within(mut self, parent: &str) -> Self {
        if !self.field.is_empty() {
            self.field.insert(0, '.');
        }
        self.field.insert_str(0, parent);
        self
    }

    /// The field, by its name in JSON, and by its place in what was read: `methodConfig[2].retryPolicy.maxAttempts`.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The value that it has.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// What it may be.
    pub fn allowed(&self) -> &'static str {
        self.allowed
    }
}
