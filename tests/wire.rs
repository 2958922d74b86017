//! The layer above real connections, whatever they do.

mod drains;
mod early;
mod http2;
mod interim;
mod kept;
mod readiness;
mod unreachable;
mod uploads;
