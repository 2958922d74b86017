//! The service, which creates a future for each request.

use std::fmt;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_retry::RequestHead;
use tower_service::Service;

use super::layer::PaceConfig;
use super::{PaceError, PaceFuture};
use crate::bounds::CloneService;
use crate::timer;

/// Sends requests through the service `S`, once its pace admits them. A [`PaceLayer`](crate::PaceLayer) creates it.
#[derive(Clone)]
pub struct PaceService<S> {
    inner: S,
    config: PaceConfig,
}

impl<S> PaceService<S> {
    pub(super) fn new(inner: S, config: PaceConfig) -> Self {
        Self { inner, config }
    }

    /// Returns the inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, B, R> Service<Request<B>> for PaceService<S>
where
    S: Service<Request<B>, Response = Response<R>> + CloneService,
{
    type Response = Response<R>;
    type Error = PaceError<S::Error>;
    type Future = PaceFuture<S, B>;

    /// Returns that the service is ready. The inner service is readied once a request is admitted.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let PaceConfig { pace, max_wait, timer } = self.config.clone();
        let deadline = max_wait.map(|max_wait| timer::monotonic(&*timer).saturating_add(max_wait));
        let ticket = pace.pace.ticket(&RequestHead::from(&request));
        PaceFuture::new(self.inner.clone(), request, pace, timer, ticket, deadline)
    }
}

impl<S: fmt::Debug> fmt::Debug for PaceService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PaceService")
            .field("inner", &self.inner)
            .field("pace", &self.config.pace)
            .finish_non_exhaustive()
    }
}
