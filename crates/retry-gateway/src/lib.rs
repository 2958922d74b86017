//! A reverse proxy that sends failed requests again, when that helps and never hurts.

mod access;
mod admin;
mod alarm;
mod answer;
mod assemble;
mod body;
pub mod config;
mod dial;
mod drain;
mod endpoint;
mod expect;
mod explain;
mod forward;
mod metrics;
mod outlier;
mod policy;
mod problem;
mod proxy;
mod route;
mod serve;
mod tls;
mod trail;
mod trust;
mod tunnel;
mod upstream;
mod vet;

pub use self::explain::{Case, CaseOutcome, explain};
pub use self::policy::GatewayPolicy;
pub use self::proxy::Gateway;
pub use self::serve::Server;
