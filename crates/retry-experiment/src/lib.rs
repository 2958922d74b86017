//! What retries cost: four servers on this machine, each called in five ways.
//!
//! The server does the counting, so that no way of calling can flatter itself: it knows every call, every
//! success, and every resend that came earlier than the server had asked.

mod caller;
mod report;
mod run;
mod server;
mod shop;

pub use self::caller::Way;
pub use self::report::{dollars, table};
pub use self::run::{Plan, Row, run};
pub use self::server::Tally;
pub use self::shop::Shop;
