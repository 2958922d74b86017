//! A reverse proxy that sends failed requests again, when that helps and never hurts.

// The compiler checks the future of a request for `Send` type by type, and that future holds the whole gateway.
#![recursion_limit = "256"]

pub mod config;
mod connection;
mod explain;
mod lifecycle;
mod llm;
mod message;
mod proxy;
mod server;
mod sync;
mod telemetry;
mod time;
mod upstream;

pub use self::explain::{Case, CaseOutcome, explain, explain_pace, read_body, with_addresses};
pub use self::lifecycle::reload::Reloader;
pub use self::proxy::policy::GatewayPolicy;
pub use self::proxy::state::Gateway;
pub use self::server::serve::Server;
#[cfg(feature = "otlp")]
pub use self::telemetry::Exporter;
pub use self::telemetry::log_writer::{flush_logs, print_error};
