//! Upstreams: the choice of an endpoint, and one attempt at it.

pub(crate) mod attempt;
pub(crate) mod balancer;
pub(crate) mod cluster;
pub(crate) mod connect;
pub(crate) mod endpoint;
pub(crate) mod error;
pub(crate) mod expect_continue;
pub(crate) mod outlier;
pub(crate) mod request_body;
pub(crate) mod response_body;
pub(crate) mod service;
pub(crate) mod settings;
