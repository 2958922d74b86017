//! The scripts of the store, the arguments that they take, and the answers that they give.

#[cfg(test)]
mod tests;

use http_retry::fleet::entry::{JoinAnswer, JoinQuestion, LeaseAnswer, PublishAnswer, SettleAnswer};
use http_retry::fleet::{Answer, StoreCommand, StoreRequest};

/// The name of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScriptName {
    Lease,
    Publish,
    Settle,
    Join,
}

impl ScriptName {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Lease => "lease",
            Self::Publish => "publish",
            Self::Settle => "settle",
            Self::Join => "join",
        }
    }

    /// Returns the source of the script. Its hash is its name in the store, so scripts of two releases live side by side.
    pub(crate) fn source(self) -> &'static str {
        match self {
            Self::Lease => concat!(
                include_str!("scripts/numbers.lua"),
                include_str!("scripts/pace_entry.lua"),
                include_str!("scripts/lease.lua")
            ),
            Self::Publish => concat!(
                include_str!("scripts/numbers.lua"),
                include_str!("scripts/pace_entry.lua"),
                include_str!("scripts/publish.lua")
            ),
            Self::Settle => {
                concat!(include_str!("scripts/numbers.lua"), include_str!("scripts/settle.lua"))
            }
            Self::Join => concat!(include_str!("scripts/numbers.lua"), include_str!("scripts/join.lua")),
        }
    }
}

/// A script with its entry and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) script: ScriptName,
    pub(crate) key: String,
    pub(crate) arguments: Vec<i64>,
}

impl Call {
    /// Returns the call for a request, or `None` for a command of a later release, which has no script here.
    pub(crate) fn new(fleet: &str, member: i64, request: &StoreRequest) -> Option<Self> {
        let id = request.id;
        let (script, key, question) = match &request.command {
            StoreCommand::Lease(question) => {
                (ScriptName::Lease, format!("hr1:{{{fleet}:p:{id}}}"), question.to_numbers().to_vec())
            }
            StoreCommand::Publish(question) => {
                (ScriptName::Publish, format!("hr1:{{{fleet}:p:{id}}}"), question.to_numbers().to_vec())
            }
            StoreCommand::Settle(question) => {
                (ScriptName::Settle, format!("hr1:{{{fleet}:b:{id}}}"), question.to_numbers().to_vec())
            }
            StoreCommand::Join(question) => {
                (ScriptName::Join, format!("hr1:{{{fleet}:m}}"), question.to_numbers().to_vec())
            }
            _ => return None,
        };
        let arguments = [LAYOUT, member].into_iter().chain(question).collect();
        Some(Self { script, key, arguments })
    }

    /// Returns a call that changes nothing for any member, and shows whether the store runs scripts that write.
    pub(crate) fn trial(fleet: &str) -> Self {
        let mut question = JoinQuestion::default();
        question.leaves = 1;
        let arguments = [LAYOUT, NO_MEMBER].into_iter().chain(question.to_numbers()).collect();
        Self { script: ScriptName::Join, key: format!("hr1:{{{fleet}:m}}"), arguments }
    }

    /// Reads the answer of the script.
    pub(crate) fn answer(&self, numbers: Vec<i64>) -> Answer {
        match self.script {
            ScriptName::Lease => Answer::Lease(LeaseAnswer::from_numbers(numbers)),
            ScriptName::Publish => Answer::Publish(PublishAnswer::from_numbers(numbers)),
            ScriptName::Settle => Answer::Settle(SettleAnswer::from_numbers(numbers)),
            ScriptName::Join => Answer::Join(JoinAnswer::from_numbers(numbers)),
        }
    }
}

/// The layout of the entries that the scripts write.
pub(crate) const LAYOUT: i64 = 1;
/// A number that no member draws.
pub(crate) const NO_MEMBER: i64 = 0;
