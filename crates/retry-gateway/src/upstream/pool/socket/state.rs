//! The state of a socket that its pool still sees while hyper owns the socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// The part of a socket that its pool reads while hyper owns the socket.
#[derive(Debug)]
pub(crate) struct SocketState {
    pub(super) bytes_read: AtomicU64,
    /// Set once the endpoint has closed its side, or the connection has failed.
    pub(super) has_ended: AtomicBool,
    /// The last stream that the endpoint counts in; `u32::MAX` before a GOAWAY.
    pub(super) last_stream: AtomicU32,
    /// Set once the endpoint has agreed to another protocol.
    pub(super) is_tunnel: AtomicBool,
    /// Set while hyper has not got all of the request's body.
    pub(super) is_uploading: AtomicBool,
    /// Set if the endpoint has sent a part of a response before it was sent the whole request.
    pub(super) is_answered_early: AtomicBool,
}

/// Tells the connection of a request body when it is sent. hyper drops it with the body, after the end of the body.
#[derive(Debug)]
pub(crate) struct UploadMark(Arc<SocketState>);

impl Default for SocketState {
    fn default() -> Self {
        Self {
            bytes_read: AtomicU64::new(0),
            has_ended: AtomicBool::new(false),
            last_stream: AtomicU32::new(u32::MAX),
            is_tunnel: AtomicBool::new(false),
            is_uploading: AtomicBool::new(false),
            is_answered_early: AtomicBool::new(false),
        }
    }
}

impl SocketState {
    /// Returns the number of bytes that the endpoint has sent, without those of TLS.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// Returns whether the endpoint has closed its side, or the connection has failed.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }

    /// Returns the last stream that the endpoint counts in, once it has sent GOAWAY.
    pub(crate) fn last_stream(&self) -> Option<u32> {
        Some(self.last_stream.load(Ordering::Relaxed)).filter(|last| *last != u32::MAX)
    }

    /// Notes that the connection is a tunnel from now on.
    pub(crate) fn set_tunnel(&self) {
        self.is_tunnel.store(true, Ordering::Relaxed);
    }

    /// Returns the mark of a request body that is sent over the connection.
    pub(crate) fn upload_mark(self: &Arc<Self>) -> UploadMark {
        UploadMark(Arc::clone(self))
    }

    /// Notes that a response has ended. The rest of a request is then sent to an endpoint that may not read it.
    pub(crate) fn on_response_end(&self) {
        if self.is_uploading.load(Ordering::Relaxed) {
            self.is_answered_early.store(true, Ordering::Relaxed);
        }
    }

    /// Returns whether the endpoint has begun a response before it was sent the whole request.
    pub(crate) fn is_answered_early(&self) -> bool {
        self.is_answered_early.load(Ordering::Relaxed)
    }
}

impl UploadMark {
    /// Notes that hyper reads the body from now on. What the endpoint has sent before is no response: it has asked for the body.
    pub(crate) fn start(&self) {
        self.0.is_uploading.store(true, Ordering::Relaxed);
    }
}

impl Drop for UploadMark {
    fn drop(&mut self) {
        self.0.is_uploading.store(false, Ordering::Relaxed);
    }
}
