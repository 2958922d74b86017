//! The listeners: one for clients, and one for operators.

pub(crate) mod admin;
mod client_connection;
mod connection_end;
pub(crate) mod dashboard;
pub(crate) mod http2_stream;
pub(crate) mod listener;
pub(crate) mod over_limit;
pub(crate) mod serve;
