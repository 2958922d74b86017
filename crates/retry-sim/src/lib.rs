//! Retries in virtual time: callers, a server with a limit, and the network between them.
//!
//! No clock is read and nothing sleeps, so that an hour of a thousand callers takes a moment, and the same seed
//! always gives the same run.

mod bucket;
mod world;

pub use self::bucket::Bucket;
pub use self::world::{Call, Report, World};
