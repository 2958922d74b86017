//! The violation of a law by a policy.

use super::Law;

/// A policy broke a law. [`Laws`](super::Laws) returns this error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "after attempt {attempt} the policy breaks the law `{law:?}`: {}.\n  found: {found}\n  with: {case}",
    law.as_str()
)]
pub struct Violation {
    law: Law,
    attempt: u32,
    found: String,
    case: String,
}

impl Violation {
    pub(super) fn new(law: Law, attempt: u32, found: String, case: String) -> Self {
        Self { law, attempt, found, case }
    }

    /// Returns the law.
    pub fn law(&self) -> Law {
        self.law
    }

    /// Returns the number of the attempt after which the policy broke the law.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }
}
