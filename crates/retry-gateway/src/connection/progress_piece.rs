//! A piece of a body that tells how much of it hyper has written to the connection.
//!
//! hyper advances a piece as it writes it. The progress of a response and that of an upload are both seen there.

use std::sync::Arc;

use bytes::{Buf, Bytes};

/// The progress of a body, which all of its pieces share.
pub(crate) trait WriteProgress {
    /// Notes that so many bytes of a piece were written to the connection.
    fn on_written(&self, bytes: usize);
}

/// A piece of a body.
#[derive(Debug)]
pub(crate) struct ProgressPiece<P> {
    bytes: Bytes,
    /// `None` for a piece that nobody follows.
    progress: Option<Arc<P>>,
}

impl<P> ProgressPiece<P> {
    pub(crate) fn new(bytes: Bytes, progress: Option<Arc<P>>) -> Self {
        Self { bytes, progress }
    }
}

impl<P: WriteProgress> Buf for ProgressPiece<P> {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        if let Some(progress) = &self.progress {
            progress.on_written(count);
        }
    }

    fn copy_to_bytes(&mut self, count: usize) -> Bytes {
        if let Some(progress) = &self.progress {
            progress.on_written(count);
        }
        self.bytes.copy_to_bytes(count)
    }
}
