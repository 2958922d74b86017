//! Sizes of the buffers of a client's connection, and the bytes that the kernel takes ahead on any connection.
//! `docs/operations.md` multiplies them out.

use bytes::Bytes;
#[cfg(any(target_os = "linux", target_os = "android"))]
use socket2::SockRef;
use tokio::net::TcpStream;

/// Bytes of one HTTP/1.1 response, beside its first piece, beyond which hyper gets no further piece before the
/// client has taken some. hyper itself would take as many bytes as a head may have.
pub(crate) const HTTP1_WRITE_BUFFER: usize = 24 * 1024;

/// Bytes of a response or an upload that the kernel takes before it has sent them. The kernel tells of room only once half of
/// that is sent, and without this bound a third of its buffer, which may be megabytes: a client that takes a few kilobytes in
/// a minute would seem to take nothing, and so would an endpoint that takes an upload slowly.
pub(crate) const MAX_UNSENT: u32 = 16 * 1024;

/// Bounds the bytes that the kernel takes from the gateway before it has sent them.
pub(crate) fn set_max_unsent(socket: &TcpStream, bytes: u32) {
    // The option only tells of progress earlier, so a failure to set it does no harm.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = SockRef::from(socket).set_tcp_notsent_lowat(bytes);
}

/// Returns a piece of a body that holds no more memory than its own. A piece that hyper has read is a part of a buffer of 8 or
/// 16 KiB, and a peer that takes nothing would hold such a buffer for each piece of a few bytes. A large piece stays as it is.
pub(crate) fn compact(piece: Bytes) -> Bytes {
    match piece.len() {
        1..=MAX_COPIED => Bytes::copy_from_slice(&piece),
        _ => piece,
    }
}

/// The bytes up to which the copy of a piece costs less than the buffer that it would hold.
const MAX_COPIED: usize = 4 * 1024;

/// Bytes of one HTTP/2 response that hyper takes before the client has room for them. hyper's default of
/// 400 KiB lets a client that reads nothing hold 80 MiB with the 200 streams of one connection.
pub(crate) const HTTP2_SEND_BUFFER: usize = 16 * 1024;

/// Bytes of one HTTP/2 request's body that the client may send before an upstream takes them.
pub(crate) const HTTP2_STREAM_WINDOW: u32 = 64 * 1024;

/// The bytes that a client may send in this way in all requests of one HTTP/2 connection together. Uploads that wait for an upstream thus hold
/// up the others of their connection only once there are sixteen of them.
pub(crate) const HTTP2_CONNECTION_WINDOW: u32 = 16 * HTTP2_STREAM_WINDOW;
