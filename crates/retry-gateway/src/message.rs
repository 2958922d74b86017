//! Heads of requests and responses: the checks and the changes that a proxy makes.

pub(crate) mod forwarding;
pub(crate) mod grpc_call;
pub(crate) mod header_scan;
pub(crate) mod headers;
pub(crate) mod hop_by_hop;
pub(crate) mod loop_detection;
pub(crate) mod problem;
pub(crate) mod trailers;
pub(crate) mod trusted_proxies;
pub(crate) mod tunnel;
pub(crate) mod upgrade;
pub(crate) mod validate;
