//! Retries in virtual time: callers, a server with a limit, and the network between them.
//!
//! No clock is read and nothing sleeps, so that an hour of a thousand callers takes a moment, and the same seed
//! always gives the same run.

mod bucket;
pub mod grid;
mod plot;
mod report;
mod schedule;
mod table;
mod trial;
mod way;
mod world;

pub use self::bucket::Bucket;
pub use self::plot::plot;
pub use self::report::{Call, Report};
pub use self::schedule::schedule_svg;
pub use self::table::table;
pub use self::trial::{Row, Trial};
pub use self::way::Strategy;
pub use self::world::World;
