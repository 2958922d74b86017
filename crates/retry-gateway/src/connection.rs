//! A client's connection: its facts, limits, timeouts and TLS.

pub(crate) mod buffers;
pub(crate) mod cut_response;
pub(crate) mod descriptors;
pub(crate) mod half_close;
pub(crate) mod info;
pub(crate) mod limit;
pub(crate) mod lingering_close;
pub(crate) mod progress_piece;
pub(crate) mod rejection;
pub(crate) mod request_limit;
pub(crate) mod shutdown;
pub(crate) mod stream_progress;
pub(crate) mod timeouts;
pub(crate) mod tls;
pub(crate) mod wait_reason;
