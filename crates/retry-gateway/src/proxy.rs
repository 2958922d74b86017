//! A request through the gateway: its route, its upstreams, and the response to its client.

pub(crate) mod fallback;
pub(crate) mod handler;
mod local_reply;
pub(crate) mod policy;
pub(crate) mod record;
mod recorded_body;
pub(crate) mod rejected_connection;
pub(crate) mod response;
mod response_version;
pub(crate) mod route_match;
pub(crate) mod route_table;
pub(crate) mod state;
pub(crate) mod upstream_route;
mod waiting;
