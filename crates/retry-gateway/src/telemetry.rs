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
pub(crate) mod fleet_log;
pub(crate) mod fleet_metrics;
pub(crate) mod fleet_status;
mod labels;
pub(crate) mod log_writer;
pub(crate) mod metrics;
mod pace_metrics;
pub(crate) mod pace_status;
pub(crate) mod peer;
pub(crate) mod reason;
pub(crate) mod request_log;
pub(crate) mod response_end;
#[cfg(feature = "otlp")]
mod spans;
pub(crate) mod status;
pub(crate) mod upstream_counters;

#[cfg(not(feature = "otlp"))]
pub(crate) use self::disabled::{AttemptSpan, RequestSpan};
#[cfg(feature = "otlp")]
pub use self::exporter::Exporter;
#[cfg(feature = "otlp")]
pub(crate) use self::spans::{AttemptSpan, RequestSpan};
