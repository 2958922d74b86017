//! A request body that can be sent to more than one service.

use std::fmt;

use bytes::Bytes;
use http_retry::BodyState;

use super::{ReplayBody, ReplayMemory, ReplayState};
use crate::bounds::BytesBody;

/// A request body that can be sent more than once, outside of a layer. Code needs it to send a
/// request to another server once a layer gave up, for example. A layer buffers the bodies of its own requests.
///
/// ```
/// use http_body_util::{BodyExt, Full};
/// use tower_http_retry::body::{ReplayMemory, ReplaySource};
/// use tower_http_retry::policy::BodyState;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let memory = ReplayMemory::new(1024 * 1024);
/// let body = ReplaySource::new(Full::from("hello"), 64 * 1024, memory.clone());
/// assert_eq!(body.body().collect().await.unwrap().to_bytes(), "hello");
/// // The first server failed, so another server gets the same body.
/// assert_eq!((body.state(), memory.used()), (BodyState::Replayable, 5));
/// assert!(body.rewind());
/// assert_eq!(body.body().collect().await.unwrap().to_bytes(), "hello");
/// # });
/// ```
///
/// Dropping it stops the buffering: a reader in progress continues, and each saved frame is freed once it is
/// read.
pub struct ReplaySource<B>(ReplayState<B>);

impl<B: BytesBody + 'static> ReplaySource<B> {
    /// Creates a source that saves up to `limit` bytes of the frames that are read, and as many frames as a
    /// layer with that [`replay_limit`](crate::RetryLayer::replay_limit), as long as `memory` has room for
    /// them. `None` for `memory` means that `limit` is the only bound.
    pub fn new(body: B, limit: usize, memory: impl Into<Option<ReplayMemory>>) -> Self {
        Self(ReplayState::new(body, limit, memory.into().as_ref()))
    }

    /// Returns the body from its start, for the next send. An older reader gets an error, and so it resets
    /// its stream. If [`state`](Self::state) is not [`Replayable`](BodyState::Replayable), the body is not
    /// complete any more.
    pub fn body(&self) -> ReplayBody<B> {
        self.0.body()
    }

    /// Returns the state that decides whether another send can read the whole body. The body is replayable if
    /// nothing of it was read, or if every frame that was read is saved.
    pub fn state(&self) -> BodyState {
        self.0.state()
    }

    /// Returns what was read of the body and is saved, from its start. That is nothing if it did not fit.
    pub fn saved(&self) -> Vec<Bytes> {
        self.0.saved()
    }

    /// Takes the body from its reader, and returns true, if another send can read all of it. From then on
    /// nothing is read until the next [`body`](Self::body) is polled, so the result stays true.
    pub fn rewind(&self) -> bool {
        self.0.rewind()
    }
}

impl<B> fmt::Debug for ReplaySource<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplaySource").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full};

    use super::*;

    async fn read(body: ReplayBody<Full<Bytes>>) -> Option<Bytes> {
        body.collect().await.ok().map(|body| body.to_bytes())
    }

    /// Sends a body of five bytes twice, with this limit and a memory of `room` bytes.
    async fn check(limit: usize, room: usize, expected: bool) {
        let memory = ReplayMemory::new(room);
        let body = ReplaySource::new(Full::from("hello"), limit, memory.clone());
        // Nothing was read, so the size does not matter.
        assert!(body.rewind(), "{limit} {room}");
        assert_eq!(read(body.body()).await, Some("hello".into()));
        assert_eq!(body.state() == BodyState::Replayable, expected, "{limit} {room}");
        assert_eq!(body.saved().concat() == b"hello", expected, "{limit} {room}");
        assert_eq!(body.rewind(), expected, "{limit} {room}");
        assert_eq!(memory.used(), if expected { 5 } else { 0 }, "{limit} {room}");
        let again = read(body.body()).await;
        assert_eq!(again == Some("hello".into()), expected, "{limit} {room}");
        drop(body);
        assert_eq!(memory.used(), 0);
    }

    #[tokio::test]
    async fn a_body_can_be_sent_again_while_all_of_it_is_saved() {
        check(5, 5, true).await;
        check(4, 5, false).await;
        check(5, 4, false).await;
    }

    #[tokio::test]
    async fn an_older_reader_does_not_read_on() {
        // The body is boxed, because each attempt gets all of a plain `Full` from the start.
        let body = ReplaySource::new(Box::pin(Full::from("hello")), 5, None);
        let first = body.body();
        assert!(body.rewind());
        assert!(first.collect().await.is_err());
        assert_eq!(body.body().collect().await.unwrap().to_bytes(), "hello");
    }

    #[tokio::test]
    async fn one_source_may_read_the_body_of_another() {
        let outer = ReplaySource::new(Full::from("hello"), 5, None);
        for _ in 0..2 {
            let inner = ReplaySource::new(Box::pin(outer.body()), 5, None);
            for _ in 0..2 {
                assert_eq!(inner.body().collect().await.unwrap().to_bytes(), "hello");
            }
            drop(inner);
            assert!(outer.rewind());
        }
    }
}
