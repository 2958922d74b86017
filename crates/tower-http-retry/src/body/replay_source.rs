//! A body that is kept for more than one service.

use std::fmt;

use http_retry::BodyState;

use super::Original;
use crate::ReplayBody;
use crate::body::ReplayMemory;
use crate::bounds::BytesBody;

/// A request body that can be sent more than once, for those who send a request on where a layer gave up: to another
/// server, for example. The layer keeps bodies for itself.
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
/// // It was not enough: somebody else gets the same.
/// assert_eq!((body.state(), memory.used()), (BodyState::Replayable, 5));
/// assert!(body.rewind());
/// assert_eq!(body.body().collect().await.unwrap().to_bytes(), "hello");
/// # });
/// ```
///
/// Dropped, it lets go of the body: whoever still reads reads on alone, and what is kept is freed as it is read.
pub struct ReplaySource<B>(Original<B>);

impl<B: BytesBody + 'static> ReplaySource<B> {
    /// Keeps up to `limit` bytes of what is read, and no more frames than a layer with that
    /// [`replay_limit`](crate::RetryLayer::replay_limit), as long as there is room for them in `memory`; `None` for no
    /// bound but that.
    pub fn new(body: B, limit: usize, memory: impl Into<Option<ReplayMemory>>) -> Self {
        Self(Original::new(body, limit, memory.into().as_ref()))
    }

    /// The body from its start, for whoever sends it now. Whoever read it before gets an error, and so resets its stream.
    /// Where [`state`](Self::state) is not [`Replayable`](BodyState::Replayable), it is no whole body any more.
    pub fn body(&self) -> ReplayBody<B> {
        self.0.body()
    }

    /// Whether another one can have the whole body: nothing of it was read, or all that was is kept.
    pub fn state(&self) -> BodyState {
        self.0.state()
    }

    /// Takes the body from whoever reads it, if another one can have all of it. From then on nothing more is read until
    /// the next [`body`](Self::body) does, so that the answer stays true.
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
    use bytes::Bytes;
    use http_body_util::{BodyExt, Full};

    use super::*;

    async fn read(body: ReplayBody<Full<Bytes>>) -> Option<Bytes> {
        body.collect().await.ok().map(|body| body.to_bytes())
    }

    /// How often a body of five bytes can be had, with this limit and this much room.
    async fn check(limit: usize, room: usize, expected: bool) {
        let memory = ReplayMemory::new(room);
        let body = ReplaySource::new(Full::from("hello"), limit, memory.clone());
        // Nobody has read it, so its size does not matter.
        assert!(body.rewind(), "{limit} {room}");
        assert_eq!(read(body.body()).await, Some("hello".into()));
        assert_eq!(body.state() == BodyState::Replayable, expected, "{limit} {room}");
        assert_eq!(body.rewind(), expected, "{limit} {room}");
        assert_eq!(memory.used(), if expected { 5 } else { 0 }, "{limit} {room}");
        let again = read(body.body()).await;
        assert_eq!(again == Some("hello".into()), expected, "{limit} {room}");
        drop(body);
        assert_eq!(memory.used(), 0);
    }

    #[tokio::test]
    async fn it_can_be_had_again_as_long_as_all_of_it_is_kept() {
        check(5, 5, true).await;
        check(4, 5, false).await;
        check(5, 4, false).await;
    }

    #[tokio::test]
    async fn whoever_read_it_before_does_not_read_on() {
        // Boxed, because of a plain one each attempt has all from the start.
        let body = ReplaySource::new(Box::pin(Full::from("hello")), 5, None);
        let first = body.body();
        assert!(body.rewind());
        assert!(first.collect().await.is_err());
        assert_eq!(body.body().collect().await.unwrap().to_bytes(), "hello");
    }

    #[tokio::test]
    async fn one_layer_may_read_what_another_keeps() {
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
