//! A reverse proxy that sends failed requests again, when that helps and never hurts.

// Whether the future of a request is `Send` is asked of all that it holds, and that holds the gateway.
#![recursion_limit = "256"]

mod access;
mod admin;
mod answer;
mod assemble;
pub mod config;
mod connection;
mod current;
mod explain;
mod fallback;
mod leg;
mod listener;
mod llm;
mod message;
mod page;
mod policy;
mod proxy;
mod reload;
mod route;
mod serve;
mod state;
mod telemetry;
mod time;
mod upstream;

pub use self::explain::{Case, CaseOutcome, explain};
pub use self::policy::GatewayPolicy;
pub use self::reload::Reloader;
pub use self::serve::Server;
pub use self::state::Gateway;
#[cfg(feature = "otlp")]
pub use self::telemetry::Exporter;
