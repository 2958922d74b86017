//! Several processes that share one limit and one retry budget, through a store.
//!
//! A *member* is one process, and the *fleet* is all of them. A *store* keeps an *entry* for each key of a pace, and for each
//! budget. A *slot* is the right to one send from a point of time on, and a *lease* is some slots that a member takes ahead of
//! time. *News* is what all members must hear at once. The *serial* of an entry rises whenever slots that were given out
//! before are void. A member is *alone* while the store does not answer.
//!
//! This module has no I/O. A store runs the functions of [`entry`], and a driver moves [`StoreRequest`]s and
//! [`StoreEvent`]s between a member and the store.

pub mod entry;
mod memory;
mod report;

use std::fmt;
use std::task::{Context, Poll};

use self::entry::{
    JoinAnswer, JoinQuestion, LeaseAnswer, LeaseQuestion, News, PublishAnswer, PublishQuestion, SettleAnswer,
    SettleQuestion,
};
pub use self::memory::{Memory, MemorySnapshot, MemoryStore};
pub use self::report::{PurseReport, SharedKeyReport, SlotCounts};

/// A connection of one member to the store of its fleet.
///
/// The store of a fleet knows the number and the layout of its member, and adds them to each question. It runs the
/// requests that it gets in any order. It loses each request that it cannot run in time: nothing is queued for a store that
/// does not answer.
pub trait Store: Send + Sync {
    /// Returns the id of an entry. The key is the name of the pace or budget and the bytes of its key, and the store forgets
    /// it. All members of a fleet get the same id for the same bytes, and the id tells nothing of them.
    fn id(&self, key: &[u8]) -> Id;

    /// Sends a request. It never waits. Each request is answered by a [`StoreEvent::Answer`] with its number, or by a
    /// [`StoreEvent::Unreachable`], which ends all requests before it.
    fn send(&self, request: StoreRequest);

    /// Returns the next event, or `None` once the store is closed.
    fn poll_event(&self, context: &mut Context<'_>) -> Poll<Option<StoreEvent>>;
}

/// The id of an entry: 128 bits of a keyed hash. [`Display`](fmt::Display) writes it as 32 digits in hex.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(u128);

impl Id {
    /// Creates an id of its bits.
    pub const fn new(bits: u128) -> Self {
        Self(bits)
    }

    /// Returns the bits of the id.
    pub const fn bits(self) -> u128 {
        self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({self})")
    }
}

/// A request to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreRequest {
    /// The number by which the answer names the request.
    pub number: u64,
    /// The id of the entry. The [`Join`](StoreCommand::Join) of a fleet has none, and its id is 0.
    pub id: Id,
    /// The script to run, with its question.
    pub command: StoreCommand,
}

impl StoreRequest {
    /// Creates a request.
    pub fn new(number: u64, id: Id, command: StoreCommand) -> Self {
        Self { number, id, command }
    }
}

/// A script of the store, with its question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreCommand {
    /// Runs [`entry::lease`].
    Lease(LeaseQuestion),
    /// Runs [`entry::publish`].
    Publish(PublishQuestion),
    /// Runs [`entry::settle`].
    Settle(SettleQuestion),
    /// Runs [`entry::join`].
    Join(JoinQuestion),
}

impl StoreCommand {
    /// Returns the name of the script.
    pub fn script(&self) -> &'static str {
        match self {
            Self::Lease(_) => "lease",
            Self::Publish(_) => "publish",
            Self::Settle(_) => "settle",
            Self::Join(_) => "join",
        }
    }
}

/// An answer of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// The answer of [`entry::lease`].
    Lease(LeaseAnswer),
    /// The answer of [`entry::publish`].
    Publish(PublishAnswer),
    /// The answer of [`entry::settle`].
    Settle(SettleAnswer),
    /// The answer of [`entry::join`].
    Join(JoinAnswer),
    /// The store cannot run the script for this entry now, although it runs others: a node of a cluster is gone, for example.
    /// The member is alone with this entry.
    Failed,
}

/// An event of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreEvent {
    /// The answer to the request with this number. An answer to a request that a member has given up counts for nothing.
    Answer(u64, Answer),
    /// A member has published this of an entry.
    News(Id, News),
    /// The store does not answer, so all requests in flight are lost. It comes once, until the store is reachable again.
    Unreachable(UnreachableReason),
    /// The store answers again. The driver of the store has tried it meanwhile, at random times.
    Reachable,
}

/// The reason for which a store does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnreachableReason {
    /// An answer was not there in time.
    Timeout,
    /// The connection was refused or closed.
    Closed,
    /// The store is a replica, which takes no writes.
    ReadOnly,
    /// The store refused the user, the password, the database or a command.
    Denied,
    /// The store is out of memory.
    OutOfMemory,
    /// The store does not know a command that the scripts need.
    Unsupported,
}

impl UnreachableReason {
    /// Returns the reason in lower-case words, as logs, `/status` and metrics show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::ReadOnly => "read_only",
            Self::Denied => "denied",
            Self::OutOfMemory => "out_of_memory",
            Self::Unsupported => "unsupported",
        }
    }

    /// Returns whether waiting alone does not heal it, so that the driver tries again only each 30 s.
    pub fn is_lasting(self) -> bool {
        matches!(self, Self::Denied | Self::OutOfMemory | Self::Unsupported)
    }
}

impl fmt::Display for UnreachableReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
