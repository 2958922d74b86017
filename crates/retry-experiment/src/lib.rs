//! What retries cost: four servers on this machine, each called in five strategies.
//!
//! The server does the counting, so that no client can flatter itself: it knows every call, every
//! success, and every resend that came earlier than the server had asked.
//!
//! [`run`] is the experiment. [`Server`], [`Caller`] and [`measure`] are its parts, for those who put something of
//! their own between the two; [`Options`] is the command line that they share. [`harm`] is an experiment of its own.

pub mod harm;

mod caller;
mod limited_server;
mod options;
mod plan;
mod progress;
mod report;
mod run;
mod server;
mod token_bucket;

pub use self::caller::{Caller, NAIVE_TRIES, Strategy};
pub use self::limited_server::LimitedServer;
pub use self::options::Options;
pub use self::plan::{Load, Plan};
pub use self::progress::Progress;
pub use self::report::{dollars, table};
pub use self::run::{Row, measure, measure_steady, run};
pub use self::server::{Server, Tally};
