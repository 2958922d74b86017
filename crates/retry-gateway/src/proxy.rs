//! A request through the gateway: its route, its upstreams, and the response to its client.

pub(crate) mod fallback;
pub(crate) mod handler;
pub(crate) mod policy;
pub(crate) mod record;
pub(crate) mod response;
pub(crate) mod route_match;
pub(crate) mod state;
pub(crate) mod upstream_route;
