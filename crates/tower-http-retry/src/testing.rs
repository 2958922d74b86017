//! Helps to test a policy: the laws that every policy must obey, a plot of its schedule, and a scripted
//! service in virtual time.
//!
//! The laws and the plot are pure. The service takes the place of a client, and records the time of each
//! call. With tokio's clock paused, waits take no real time.
//!
//! ```
//! use std::time::Duration;
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_http_retry::testing::{Script, ScriptedService, assert_lawful};
//! use tower_http_retry::{RetryAfterFirst, RetryLayer};
//! use tower_http_retry::policy::DecorrelatedJitter;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let policy = RetryAfterFirst::new(DecorrelatedJitter::new(Duration::from_millis(50), Duration::from_secs(2)));
//! assert_lawful(&policy);
//!
//! let script = Script::new().status(429).header("retry-after", "7").status(200);
//! let service = ScriptedService::new(script);
//! let client = ServiceBuilder::new().layer(RetryLayer::new(policy)).service(service.clone());
//! let response = client.oneshot(Request::get("/").body(Full::<Bytes>::default())?).await?;
//!
//! assert_eq!(response.status(), 200);
//! assert!(service.received()[1].at >= Duration::from_secs(7));
//! # Ok(())
//! # }
//! ```

mod answer;
mod service;

pub use http_retry::testing::*;

pub use self::answer::{ScriptedBody, ScriptedFailure};
pub use self::service::{Received, ScriptedFuture, ScriptedService};
