//! What retries cost: four servers on this machine, each called in five ways.
//!
//! The server does the counting, so that no way of calling can flatter itself: it knows every call, every
//! success, and every resend that came earlier than the server had asked.
//!
//! [`run`] is the experiment. [`Server`], [`Caller`] and [`measure`] are its parts, for those who put something of
//! their own between the two; [`Options`] is the command line that they share.

mod caller;
mod options;
mod plan;
mod progress;
mod report;
mod run;
mod server;
mod shop;

pub use self::caller::{Caller, NAIVE_TRIES, Way};
pub use self::options::Options;
pub use self::plan::{Load, Plan};
pub use self::progress::Progress;
pub use self::report::{dollars, table};
pub use self::run::{Row, measure, run};
pub use self::server::{Server, Tally};
pub use self::shop::Shop;
