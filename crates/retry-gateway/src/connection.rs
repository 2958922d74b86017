//! A client's connection: its facts, limits, timeouts and TLS.

pub(crate) mod info;
pub(crate) mod limit;
pub(crate) mod rejection;
pub(crate) mod timeouts;
pub(crate) mod tls;
