//! Metrics, the access log, and one span for each request and each attempt.
//!
//! Without the feature `otlp` the spans record nothing.

pub(crate) mod access_log;
#[cfg(feature = "otlp")]
mod attributes;
#[cfg(feature = "otlp")]
mod collector;
#[cfg(not(feature = "otlp"))]
mod disabled;
#[cfg(feature = "otlp")]
mod exporter;
pub(crate) mod metrics;
pub(crate) mod peer;
pub(crate) mod reason;
pub(crate) mod request_log;
#[cfg(feature = "otlp")]
mod spans;
pub(crate) mod status;

#[cfg(not(feature = "otlp"))]
pub(crate) use self::disabled::{AttemptSpan, RequestSpan};
#[cfg(feature = "otlp")]
pub use self::exporter::Exporter;
#[cfg(feature = "otlp")]
pub(crate) use self::spans::{AttemptSpan, RequestSpan};
