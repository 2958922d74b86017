//! What is wrong with a service config.

use std::error::Error;
use std::fmt;

/// A value of a gRPC service config that is not allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceConfigError {
    field: &'static str,
    value: String,
    allowed: &'static str,
}

impl ServiceConfigError {
    pub(crate) fn new(field: &'static str, value: impl ToString, allowed: &'static str) -> Self {
        Self { field, value: value.to_string(), allowed }
    }

    /// The field, by its name in JSON.
    pub fn field(&self) -> &'static str {
        self.field
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

impl fmt::Display for ServiceConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is {}, and must be {}", self.field, self.value, self.allowed)
    }
}

impl Error for ServiceConfigError {}
