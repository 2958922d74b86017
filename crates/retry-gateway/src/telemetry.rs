//! Spans for OpenTelemetry: one of each request, and one of each attempt. Without the feature `otlp` they are nothing.

pub(crate) mod access_log;
#[cfg(feature = "otlp")]
mod collector;
#[cfg(feature = "otlp")]
mod exporter;
#[cfg(not(feature = "otlp"))]
mod nothing;
pub(crate) mod peer;
pub(crate) mod reason;
#[cfg(feature = "otlp")]
mod spans;
pub(crate) mod status;
#[cfg(feature = "otlp")]
mod words;

#[cfg(feature = "otlp")]
pub use self::exporter::Exporter;
#[cfg(not(feature = "otlp"))]
pub(crate) use self::nothing::{AttemptSpan, RequestSpan};
#[cfg(feature = "otlp")]
pub(crate) use self::spans::{AttemptSpan, RequestSpan};
