//! The service: takes a request, and hands it to a future that sees it through.

use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use http_retry::Policy;
use tower_service::Service;

use crate::layer::Terms;
use crate::{BytesBody, CloneService, Concrete, ReadError, ReplayBody, ResponseFuture};

/// Sends requests through `S`, again where the policy `P` says so. Made by [`RetryLayer`](crate::RetryLayer).
///
/// The inner service is a `Service<Request<ReplayBody<B>>>` that is `Clone`; its response and error types
/// are unchanged. The response body must be `Unpin`, because the layer reads a failed one and may hand it back
/// all the same; box one that is not. `M` is inferred: [`Concrete`] where the inner error is an `Error`, [`Boxed`](crate::Boxed)
/// where it is a [`BoxError`](crate::BoxError).
pub struct Retry<S, P, M = Concrete> {
    inner: S,
    terms: Arc<Terms<P>>,
    marker: PhantomData<fn() -> M>,
}

impl<S, P, M> Retry<S, P, M> {
    pub(crate) fn new(inner: S, terms: Arc<Terms<P>>) -> Self {
        Self { inner, terms, marker: PhantomData }
    }

    /// The inner service.
    pub fn inner(&self) -> &S {
        &self.inner
    }
}

impl<S, P, M, B, R> Service<Request<B>> for Retry<S, P, M>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + CloneService,
    S::Error: ReadError<M>,
    P: Policy,
    B: BytesBody,
    R: Body + Unpin,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<S, P, B, M>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The instance that was readied sends every attempt. Its clone is not ready, and behind a limit of
        // one might never be while this one holds the permit.
        let clone = self.inner.clone();
        let readied = mem::replace(&mut self.inner, clone);
        ResponseFuture::new(readied, Arc::clone(&self.terms), request)
    }
}

impl<S: Clone, P, M> Clone for Retry<S, P, M> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.terms))
    }
}

impl<S: fmt::Debug, P: fmt::Debug, M> fmt::Debug for Retry<S, P, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("inner", &self.inner)
            .field("policy", &self.terms.policy)
            .finish_non_exhaustive()
    }
}
