//! Upstreams: the choice of an endpoint, and one attempt at it.

pub(crate) mod attempt;
pub(crate) mod balancer;
pub(crate) mod body_wait;
pub(crate) mod buffers;
pub(crate) mod cluster;
pub(crate) mod connect;
pub(crate) mod dns;
pub(crate) mod endpoint;
pub(crate) mod endpoint_factory;
pub(crate) mod error;
pub(crate) mod expect_continue;
pub(crate) mod fleet;
pub(crate) mod grpc_trailers;
mod idle_connections;
pub(crate) mod in_flight;
pub(crate) mod model_reader;
pub(crate) mod outage;
pub(crate) mod outlier;
pub(crate) mod pace;
pub(crate) mod pool;
pub(crate) mod removed;
pub(crate) mod request_body;
pub(crate) mod response_body;
pub(crate) mod service;
pub(crate) mod settings;
pub(crate) mod timed_body;
mod upload_progress;
