//! The future of [`Retry::oneshot`](crate::Retry::oneshot).

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::Body;
use http_retry::Policy;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::ResponseFuture;
use crate::body::ResponseBody;
use crate::body::response_body::InnerResponse;
use crate::bounds::{BytesBody, CloneService};
use crate::markers::{Concrete, PaceMode, ReadError, Unpaced};
use crate::{ReplayBody, Retry, RetryInfo};

pin_project! {
    /// Readies a [`Retry`], sends one request through it, and resolves with the response.
    ///
    /// [`Retry::oneshot`] returns it. Dropping it is as safe as dropping a [`ResponseFuture`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Oneshot<S, P, B, E = Concrete, G = Unpaced>
    where
        S: Service<Request<ReplayBody<B>>>,
        S::Response: InnerResponse,
    {
        #[pin]
        state: OneshotState<S, P, B, E, G>,
    }
}

pin_project! {
    #[project = OneshotStateProj]
    enum OneshotState<S, P, B, E, G>
    where
        S: Service<Request<ReplayBody<B>>>,
        S::Response: InnerResponse,
    {
        Readying { service: Retry<S, P, E, G>, request: Option<Request<B>> },
        Called { #[pin] future: ResponseFuture<S, P, B, E, G> },
    }
}

impl<S, P, B, E, G> Oneshot<S, P, B, E, G>
where
    S: Service<Request<ReplayBody<B>>>,
    S::Response: InnerResponse,
{
    pub(crate) fn new(service: Retry<S, P, E, G>, request: Request<B>) -> Self {
        Self { state: OneshotState::Readying { service, request: Some(request) } }
    }

    /// Returns what happened to the request, once the future has resolved. See [`ResponseFuture::info`].
    pub fn info(&self) -> Option<RetryInfo> {
        match &self.state {
            OneshotState::Readying { .. } => None,
            OneshotState::Called { future } => future.info(),
        }
    }
}

impl<S, P, B, E, G, R> Future for Oneshot<S, P, B, E, G>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + CloneService,
    S::Error: ReadError<E>,
    P: Policy,
    G: PaceMode<S::Error, E>,
    B: BytesBody + 'static,
    R: Body + Unpin,
{
    type Output = Result<Response<ResponseBody<R>>, G::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let mut state = self.as_mut().project().state;
            let future = match state.as_mut().project() {
                OneshotStateProj::Called { future } => return future.poll(cx),
                OneshotStateProj::Readying { service, request } => {
                    let ready = ready!(service.poll_ready(cx));
                    // The request is taken before a failure is returned, so that a later poll sends nothing.
                    let request = request.take().expect("`Oneshot` polled after it failed");
                    ready?;
                    service.call(request)
                }
            };
            state.set(OneshotState::Called { future });
        }
    }
}

impl<S, P, B, E, G> fmt::Debug for Oneshot<S, P, B, E, G>
where
    S: Service<Request<ReplayBody<B>>>,
    S::Response: InnerResponse,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oneshot").finish_non_exhaustive()
    }
}
