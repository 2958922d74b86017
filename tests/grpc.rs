//! gRPC, with tonic on both sides.

mod calls;
mod health;
mod service_config;
mod timeouts;
