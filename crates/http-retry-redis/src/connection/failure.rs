//! The meaning of the errors of the client of Redis for the store.

use http_retry::fleet::UnreachableReason;
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// The reason for which a script was not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It was not run for this entry.
    Entry,
    /// The store runs no scripts.
    Store(UnreachableReason),
}

/// The words with which a store refused a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The error as people read it. It repeats no argument.
    pub(crate) text: String,
    pub(crate) failure: Failure,
}

impl Refusal {
    pub(super) fn new(error: &RedisError) -> Self {
        let text = match (error.code(), error.detail()) {
            _ if error.kind() == ErrorKind::Parse => {
                "the server does not speak the protocol of Redis".to_owned()
            }
            (Some(code), Some(detail)) => format!("{code} {detail}"),
            _ => error.to_string(),
        };
        Self { text, failure: failure(error) }
    }

    /// Returns whether no store has read the command.
    pub(crate) fn is_unreachable(&self) -> bool {
        use UnreachableReason::{Closed, Timeout};
        matches!(self.failure, Failure::Store(Closed | Timeout))
    }
}

/// Returns what an error means for the store.
pub(super) fn failure(error: &RedisError) -> Failure {
    let reason = match error.kind() {
        ErrorKind::Io if error.is_timeout() => UnreachableReason::Timeout,
        ErrorKind::Io | ErrorKind::Parse => UnreachableReason::Closed,
        // No address is known for the host, or the sentinels know no server.
        ErrorKind::InvalidClientConfig
        | ErrorKind::MasterNameNotFoundBySentinel
        | ErrorKind::NoValidReplicasFoundBySentinel
        | ErrorKind::EmptySentinelList => UnreachableReason::Closed,
        ErrorKind::AuthenticationFailed => UnreachableReason::Denied,
        ErrorKind::RESP3NotSupported => UnreachableReason::Unsupported,
        ErrorKind::Server(ServerErrorKind::NoPerm) => UnreachableReason::Denied,
        ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown) => {
            UnreachableReason::ReadOnly
        }
        // It reads its data, which takes a while.
        ErrorKind::Server(ServerErrorKind::BusyLoading) => UnreachableReason::Closed,
        _ => return failure_by_text(error),
    };
    Failure::Store(reason)
}

/// Returns what an error means for which the client has no word.
fn failure_by_text(error: &RedisError) -> Failure {
    let detail = error.detail().unwrap_or_default();
    let reason = match error.code() {
        Some("NOAUTH" | "WRONGPASS" | "NOPERM") => UnreachableReason::Denied,
        Some("OOM") => UnreachableReason::OutOfMemory,
        Some("MISCONF" | "NOREPLICAS") => UnreachableReason::ReadOnly,
        Some("BUSY") => UnreachableReason::Timeout,
        Some("ERR") if detail.starts_with("unknown command") => UnreachableReason::Unsupported,
        Some("ERR") if detail.starts_with("max number of clients") => UnreachableReason::Closed,
        Some("ERR") if detail.starts_with("Error compiling script") => UnreachableReason::Unsupported,
        // Redis 7.0, and then Redis 7.2 and Valkey: a command that is refused within a script has no code of its own.
        Some("ERR") if detail.starts_with("The user executing the script") => UnreachableReason::Denied,
        Some("ERR") if detail.starts_with("ACL failure in script") => UnreachableReason::Denied,
        _ => return Failure::Entry,
    };
    Failure::Store(reason)
}
