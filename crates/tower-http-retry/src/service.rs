//! The service: takes a request, and hands it to a future that sees it through.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use http_retry::{Policy, RetryAfterFirst};
use tower_service::Service;

use crate::layer::Terms;
use crate::{BytesBody, CloneService, Concrete, PaceMode, ReadError, ReplayBody, ResponseFuture, Unpaced};

/// Sends requests through `S`, again where the policy `P` says so. Made by [`RetryLayer`](crate::RetryLayer).
///
/// The inner service is a `Service<Request<ReplayBody<B>>>` that is `Clone`; its response and error types
/// are unchanged, but for a layer with a [pace](crate::RetryLayer::pace), which may refuse to send: `G` tells. The
/// response body must be `Unpin`, because the layer reads a failed one and may hand it back
/// all the same; box one that is not. `M` is inferred: [`Concrete`] where the inner error is an `Error`, [`Boxed`](crate::Boxed)
/// where it is a [`BoxError`](crate::BoxError).
///
/// In the type of a field, only what differs from the defaults is named: `Retry<Client>`, `Retry<Client, MyPolicy>`. The
/// [guide](crate::guide::gateways) has one in the state of an axum router.
pub struct Retry<S, P = RetryAfterFirst, M = Concrete, G = Unpaced> {
    inner: S,
    terms: Arc<Terms<P>>,
    marker: PhantomData<fn() -> (M, G)>,
}

impl<S, P, M, G> Retry<S, P, M, G> {
    pub(crate) fn new(inner: S, terms: Arc<Terms<P>>) -> Self {
        Self { inner, terms, marker: PhantomData }
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The same over another inner service. Policy, budget, pace and the seeded sequence are shared.
    ///
    /// Cheap enough for each request to have an inner service of its own, which can then hold what is known of that
    /// request, instead of the request's extensions.
    pub fn with_inner<T: CloneService>(&self, inner: T) -> Retry<T, P, M, G> {
        Retry::new(inner, Arc::clone(&self.terms))
    }
}

impl<S, P, M, G, B, R> Service<Request<B>> for Retry<S, P, M, G>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + CloneService,
    S::Error: ReadError<M>,
    P: Policy,
    G: PaceMode<S::Error, M>,
    B: BytesBody + 'static,
    R: Body + Unpin,
{
    type Response = Response<R>;
    type Error = G::Error;
    type Future = ResponseFuture<S, P, B, M, G>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), G::Error>> {
        // Under a pace it is readied when the request's turn has come, or those who wait would hold its permits.
        if self.terms.settings.pace.is_some() {
            return Poll::Ready(Ok(()));
        }
        G::outcome(self.inner.poll_ready(cx))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ResponseFuture::new(&mut self.inner, &self.terms, request)
    }
}

impl<S: Clone, P, M, G> Clone for Retry<S, P, M, G> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.terms))
    }
}

impl<S: fmt::Debug, P: fmt::Debug, M, G> fmt::Debug for Retry<S, P, M, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("inner", &self.inner)
            .field("policy", &self.terms.policy)
            .finish_non_exhaustive()
    }
}
