//! Tools for the author of a policy: laws that every policy must obey, a plot of its schedule, and scripted servers in
//! virtual time.
//!
//! ```
//! use std::time::Duration;
//! use http_retry::testing::{End, Plot, Script, assert_lawful};
//! use http_retry::{Jitter, Session, Window, policy_fn};
//!
//! let policy = policy_fn(|context| {
//!     let backoff = Duration::from_millis(50) * context.backoff_step.min(100);
//!     Window::between(backoff, backoff + Duration::from_millis(50))
//! });
//!
//! assert_lawful(&policy);
//! println!("{}", Plot::new(&policy));
//!
//! let transcript = Script::new().status(503).times(2).status(200).play(&policy, Session::new());
//! assert_eq!((transcript.sent_at.len(), transcript.end), (3, End::Accepted));
//! ```

mod laws;
mod plot;
mod script;
mod transcript;

pub use self::laws::{Law, Laws, Violation, assert_lawful, check};
pub use self::plot::Plot;
pub use self::script::{Script, Scripted};
pub use self::transcript::{End, Transcript};
