//! A law that a policy broke, and where.

use super::Law;

/// A law that a policy broke, and the attempt at which it did, as [`Laws`](super::Laws) find it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "after attempt {attempt} the policy breaks the law `{law:?}`: {}.\n  found: {found}\n  with: {row}",
    law.as_str()
)]
pub struct Violation {
    law: Law,
    attempt: u32,
    found: String,
    row: String,
}

impl Violation {
    pub(super) fn new(law: Law, attempt: u32, found: String, row: String) -> Self {
        Self { law, attempt, found, row }
    }

    /// The law.
    pub fn law(&self) -> Law {
        self.law
    }

    /// The number of the attempt after which it broke the law.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }
}
