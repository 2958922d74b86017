//! The service: hands a request to a future that waits for its turn.

use std::fmt;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::layer::PaceTerms;
use super::{PaceError, PaceFuture};
use crate::bounds::CloneService;
use crate::timer;

/// Holds requests to `S` while the server wants quiet. Made by [`PaceLayer`](crate::PaceLayer).
#[derive(Clone)]
pub struct PaceService<S> {
    inner: S,
    terms: PaceTerms,
}

impl<S> PaceService<S> {
    pub(super) fn new(inner: S, terms: PaceTerms) -> Self {
        Self { inner, terms }
    }

    /// The inner service.
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

    /// Always: the inner service is readied when a request's turn has come.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let PaceTerms { pace, deadline, timer } = self.terms.clone();
        let ends_at = deadline.map(|deadline| timer::monotonic(&*timer).saturating_add(deadline));
        PaceFuture::new(self.inner.clone(), request, pace, timer, ends_at)
    }
}

impl<S: fmt::Debug> fmt::Debug for PaceService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PaceService")
            .field("inner", &self.inner)
            .field("pace", &self.terms.pace)
            .finish_non_exhaustive()
    }
}
