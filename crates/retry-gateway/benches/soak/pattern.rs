//! Bodies: each tells whose it is, and each place in it where that is.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// So many bytes of a body. Blocks differ by request and by place, so that none is lost, doubled or moved unseen.
pub(crate) fn bytes(id: u64, len: usize) -> Vec<u8> {
    let block = |place: u64| (id.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ place).to_le_bytes();
    (0..).flat_map(block).take(len).collect()
}

/// The path of a request. It is so long that the lines of the log fill its queue while nobody reads it.
pub(crate) fn path(id: u64) -> String {
    format!("/soak/{id}/{}", "x".repeat(PATH_FILLER))
}

/// The request that has this path.
pub(crate) fn id_of(path: &str) -> Option<u64> {
    path.strip_prefix("/soak/")?.split('/').next()?.parse().ok()
}

/// FNV-1a.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A request's body, sent piece by piece.
#[derive(Debug)]
pub(crate) struct Pieces {
    left: Bytes,
    /// Whether its length is said before.
    is_sized: bool,
    /// How much of it is never sent, by a client that goes away.
    kept_back: usize,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Pieces {
    pub(crate) fn new(bytes: Vec<u8>, is_sized: bool, kept_back: usize) -> Self {
        Self { left: bytes.into(), is_sized, kept_back, pause: None }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let sendable = self.left.len().saturating_sub(self.kept_back);
        if sendable == 0 {
            // Whoever waits for the answer goes away.
            return Poll::Pending;
        }
        let piece = self.left.split_to(PIECE.min(sendable));
        self.pause = (self.left.len() > PIECE).then(|| Box::pin(sleep(Duration::from_millis(2))));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_sized { SizeHint::with_exact(self.left.len() as u64) } else { SizeHint::default() }
    }
}

const PATH_FILLER: usize = 6_000;
const PIECE: usize = 16 * 1024;
