//! One upload, frame by frame, through a server that reads it and forgets it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty};
use tower::{Layer, Service, service_fn};
use tower_http_retry::policy::NoRetry;
use tower_http_retry::{BoxError, ReplayBody, RetryAfterFirst, RetryLayer};

use crate::FRAME;

/// How a body gets to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadKind {
    /// Without the layer.
    Bare,
    /// Through a layer that never sends it again.
    Unbuffered,
    /// Through a layer that keeps up to this many bytes.
    Kept(usize),
}

/// A body of so many bytes, sent once.
#[derive(Clone, Copy, Debug)]
pub struct Upload {
    /// Bytes in all.
    pub bytes: usize,
    /// How it gets to the server.
    pub kind: UploadKind,
}

impl Upload {
    /// Sends it, and counts the allocations of that. The caller allocates the frames as the server reads them, so they
    /// are part of the count.
    pub fn measure<T>(self, count: impl FnOnce(&mut dyn FnMut()) -> T) -> T {
        match self.kind {
            UploadKind::Bare => self.measure_through(service_fn(read), count),
            UploadKind::Unbuffered => {
                self.measure_through(RetryLayer::new(NoRetry).layer(service_fn(read)), count)
            }
            UploadKind::Kept(limit) => {
                let layer = RetryLayer::new(RetryAfterFirst::default()).replay_limit(limit);
                self.measure_through(layer.layer(service_fn(read::<ReplayBody<MadeFrames>>)), count)
            }
        }
    }

    /// The frames that it takes.
    pub fn frames(self) -> usize {
        self.bytes.div_ceil(FRAME)
    }

    fn measure_through<S, R, T>(self, mut service: S, count: impl FnOnce(&mut dyn FnMut()) -> T) -> T
    where
        S: Service<Request<MadeFrames>, Response = Response<R>>,
        S::Error: std::fmt::Debug,
    {
        let mut send = || {
            let response = service.call(Request::new(MadeFrames { left: self.bytes })).now_or_never();
            response.expect("the server waits for nothing").expect("the server reads everything");
        };
        // What is made once for all requests is made by the first.
        send();
        count(&mut send)
    }
}

/// Reads a body frame by frame, and keeps none.
async fn read<B>(request: Request<B>) -> Result<Response<Empty<Bytes>>, Infallible>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let mut body = request.into_body();
    while let Some(Ok(frame)) = body.frame().await {
        drop(frame);
    }
    Ok(Response::new(Empty::new()))
}

/// Makes each frame when it is asked for it.
struct MadeFrames {
    left: usize,
}

impl Body for MadeFrames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let len = self.left.min(FRAME);
        if len == 0 {
            return Poll::Ready(None);
        }
        self.left -= len;
        let frame = Bytes::from(vec![0; len]);
        // MadeFrames from a connection are shared from the start; those of a `Vec` are so from their first clone.
        drop(frame.clone());
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left as u64)
    }
}
