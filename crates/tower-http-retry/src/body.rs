//! The bodies of requests and responses that pass through the layer.
//!
//! The [`ReplayBody`] that the inner service reads is at the root of the crate. A [`ReplaySource`] creates such
//! bodies outside of a layer, and a [`ReplayMemory`] bounds the memory of all of them. A [`ResponseBody`] is the
//! body of each response.

mod buffered_frame;
mod error;
mod memory;
#[cfg(any(test, fuzzing))]
pub(crate) mod model;
mod polled;
pub(crate) mod replay_body;
mod replay_source;
mod replay_state;
pub(crate) mod response_body;
mod shared_buffer;

pub use self::memory::{MemoryLease, ReplayMemory};
pub(crate) use self::replay_body::ReplayBody;
pub use self::replay_source::ReplaySource;
pub(crate) use self::replay_state::ReplayState;
pub use self::response_body::ResponseBody;

#[cfg(test)]
mod tests;
