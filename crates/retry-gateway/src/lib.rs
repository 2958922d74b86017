//! A reverse proxy that sends failed requests again, when that helps and never hurts.

// Whether the future of a request is `Send` is asked of all that it holds, and that holds the gateway.
#![recursion_limit = "256"]

mod access;
mod admin;
mod answer;
mod assemble;
mod attempt;
mod body;
mod cluster;
pub mod config;
mod connection;
mod current;
mod dial;
mod endpoint;
mod error;
mod expect;
mod explain;
mod fallback;
mod leg;
mod listener;
mod llm;
mod message;
mod outlier;
mod page;
mod policy;
mod proxy;
mod reload;
mod route;
mod serve;
mod service;
mod settings;
mod state;
mod telemetry;
mod time;
mod upload;
mod upstream;

pub use self::explain::{Case, CaseOutcome, explain};
pub use self::policy::GatewayPolicy;
pub use self::reload::Reloader;
pub use self::serve::Server;
pub use self::state::Gateway;
#[cfg(feature = "otlp")]
pub use self::telemetry::Exporter;
