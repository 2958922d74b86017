//! Retries in virtual time: callers, a server with a limit, and the network between them.
//!
//! No clock is read and nothing sleeps, so that an hour of a thousand callers takes a moment, and the same seed
//! always gives the same run.

pub mod fleet;
pub mod grid;
mod plot;
mod schedule;
mod wake_queue;

pub use self::plot::plot_svg;
pub use self::schedule::schedule_svg;
