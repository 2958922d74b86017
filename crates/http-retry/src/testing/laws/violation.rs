//! A law that a policy broke, and where.

use std::error::Error;
use std::fmt;

use super::Law;

/// A law that a policy broke, and the attempt at which it did, as [`Laws`](super::Laws) find it.
#[derive(Clone, Debug, PartialEq, Eq)]
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

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { law, attempt, found, row } = self;
        writeln!(f, "after attempt {attempt} the policy breaks the law `{law:?}`: {}.", law.as_str())?;
        write!(f, "  found: {found}\n  with: {row}")
    }
}

impl Error for Violation {}
