//! Sizes of the buffers of a connection to an upstream. `docs/operations.md` multiplies them out.

/// Bytes that hyper reads or writes ahead on an HTTP/1.1 connection, if `max_response_header_bytes` is not larger.
/// hyper's default is 400 KiB, and a slow client holds up to three such buffers at a time.
pub(crate) const HTTP1_BUFFER: usize = 64 * 1024;

/// The most bytes of one read from an upstream's socket. A response to a slow client holds a few pieces of
/// this size. hyper enlarges its buffer when a read fills it, and would allocate twice a piece's size for
/// each piece. So a read leaves one byte of 16 KiB.
pub(crate) const READ_SIZE: usize = 16 * 1024 - 1;

/// Bytes of one HTTP/2 response that the upstream may send before the client takes them. hyper's default is
/// 2 MiB.
pub(crate) const HTTP2_STREAM_WINDOW: u32 = 64 * 1024;

/// The most streams of one HTTP/2 connection, whatever the upstream allows.
pub(crate) const HTTP2_STREAMS: u32 = 512;

/// The bytes that an upstream may send in this way in all responses of one HTTP/2 connection together. It is the window of all streams, because slow
/// clients would otherwise hold up the others. Fewer streams for each connection would save no memory, but need
/// more connections.
pub(crate) const HTTP2_CONNECTION_WINDOW: u32 = HTTP2_STREAMS * HTTP2_STREAM_WINDOW;

/// Bytes of one HTTP/2 request's body that hyper takes before the upstream has room for them.
pub(crate) const HTTP2_SEND_BUFFER: usize = 16 * 1024;
