//! The service, which creates a future for each request.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use http_retry::{Policy, RetryAfterFirst};
use tower_service::Service;

use crate::ReplayBody;
use crate::body::ResponseBody;
use crate::bounds::{BytesBody, CloneService, InnerService};
use crate::config::Config;
use crate::future::inner::Owned;
use crate::future::{Oneshot, ResponseFuture};
use crate::markers::{Boxed, Concrete, PaceMode, Paced, ReadError, Unpaced};
use crate::timer::PausedTime;

/// Sends requests through the service `S`, and sends them again as the policy `P` decides. A
/// [`RetryLayer`](crate::RetryLayer) creates it.
///
/// The inner service is a `Service<Request<ReplayBody<B>>>` that is `Clone`. Its error type is unchanged,
/// unless the layer has a [pace](crate::RetryLayer::pace), which may reject a request. The layer wraps the
/// body of the response in a [`ResponseBody`], which yields the frames that the layer has read of a failed
/// response. The inner body must be `Unpin`; box a body that is not. The compiler infers `E`: [`Concrete`]
/// where the inner error is an `Error`, [`Boxed`](crate::markers::Boxed) where it is a
/// [`BoxError`](crate::BoxError).
///
/// The type of a field names only what differs from the defaults:
///
/// | the inner service's error | without a pace | with a [pace](crate::RetryLayer::pace) |
/// |---|---|---|
/// | implements [`Error`](std::error::Error) | `Retry<Client>`, `Retry<Client, MyPolicy>` | [`PacedRetry<Client>`](PacedRetry) |
/// | is a [`BoxError`](crate::BoxError) | [`BoxedRetry<Timeout<Client>>`](BoxedRetry) | [`BoxedPacedRetry<..>`](BoxedPacedRetry) |
///
/// The [guide](crate::guide::gateways) has such a field in the state of an axum router.
pub struct Retry<S, P = RetryAfterFirst, E = Concrete, G = Unpaced> {
    inner: S,
    config: Arc<Config<P>>,
    paused: Option<Arc<dyn PausedTime>>,
    marker: PhantomData<fn() -> (E, G)>,
}

impl<S, P, E, G> Retry<S, P, E, G> {
    pub(crate) fn new(inner: S, config: Arc<Config<P>>) -> Self {
        Self { inner, config, paused: None, marker: PhantomData }
    }

    /// Returns the inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Wraps another inner service. The new service shares the policy, the budget, the pace and the seeded
    /// sequence.
    ///
    /// This is cheap enough to give each request an inner service of its own. Such a service can hold data
    /// about the request, which then needs no place in the request's extensions.
    pub fn with_inner<T: CloneService>(&self, inner: T) -> Retry<T, P, E, G> {
        Retry::new(inner, Arc::clone(&self.config))
    }

    /// Sets the time that does not count towards [`max_elapsed`](crate::RetryLayer::max_elapsed). It is that of a
    /// single request, so it is for a service that [`with_inner`](Self::with_inner) has made for one.
    pub fn paused_time(self, paused: impl Into<Option<Arc<dyn PausedTime>>>) -> Self {
        Self { paused: paused.into(), ..self }
    }
}

impl<S, P, E, G> Retry<S, P, E, G> {
    /// Sends one request: it readies the service, and calls it.
    ///
    /// It does the same as `tower::ServiceExt::oneshot`. In addition the future has the
    /// [`info`](Oneshot::info) after an error, and the compiler explains an inner service, an error or a body
    /// that the layer cannot use.
    pub fn oneshot<B>(self, request: Request<B>) -> Oneshot<S, P, B, E, G>
    where
        S: InnerService<B> + CloneService,
        <S as Service<Request<ReplayBody<B>>>>::Error: ReadError<E>,
        P: Policy,
        G: PaceMode<<S as Service<Request<ReplayBody<B>>>>::Error, E>,
        B: BytesBody + 'static,
        S::ResponseBody: Body + Unpin,
    {
        Oneshot::new(self, request)
    }

    /// Sends one request through a service that is ready, as `tower::Service::call` does, and drops the service.
    ///
    /// The inner service is not cloned for later requests, so this is for a service that
    /// [`with_inner`](Self::with_inner) has made for one request.
    pub fn call_once<B>(self, request: Request<B>) -> ResponseFuture<S, P, B, E, G>
    where
        S: InnerService<B> + CloneService,
        P: Policy,
        B: BytesBody + 'static,
        S::ResponseBody: Body + Unpin,
    {
        ResponseFuture::new(Owned(self.inner), &self.config, &self.paused, request)
    }
}

/// A [`Retry`] over a service whose error is a [`BoxError`](crate::BoxError), as that of every client below a
/// timeout layer of tower is. The field for the README's client is `BoxedRetry<Timeout<Client>>`.
/// [`compile_errors`](crate::guide::compile_errors#a-field-names-the-wrong-kind-of-error) shows it.
pub type BoxedRetry<S, P = RetryAfterFirst> = Retry<S, P, Boxed>;

/// A [`Retry`] with a [pace](crate::RetryLayer::pace), over a service whose error implements
/// [`Error`](std::error::Error).
pub type PacedRetry<S, P = RetryAfterFirst> = Retry<S, P, Concrete, Paced>;

/// A [`Retry`] with a [pace](crate::RetryLayer::pace), over a service whose error is a
/// [`BoxError`](crate::BoxError).
pub type BoxedPacedRetry<S, P = RetryAfterFirst> = Retry<S, P, Boxed, Paced>;

impl<S, P, E, G, B, R> Service<Request<B>> for Retry<S, P, E, G>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + CloneService,
    S::Error: ReadError<E>,
    P: Policy,
    G: PaceMode<S::Error, E>,
    B: BytesBody + 'static,
    R: Body + Unpin,
{
    type Response = Response<ResponseBody<R>>;
    type Error = G::Error;
    type Future = ResponseFuture<S, P, B, E, G>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), G::Error>> {
        // With a pace, the inner service is readied once a request is admitted. Otherwise waiting requests
        // would hold its permits.
        if self.config.pace.is_some() {
            return Poll::Ready(Ok(()));
        }
        G::outcome(self.inner.poll_ready(cx))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ResponseFuture::new(&mut self.inner, &self.config, &self.paused, request)
    }
}

impl<S: Clone, P, E, G> Clone for Retry<S, P, E, G> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.config)).paused_time(self.paused.clone())
    }
}

impl<S: fmt::Debug, P: fmt::Debug, E, G> fmt::Debug for Retry<S, P, E, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("inner", &self.inner)
            .field("policy", &self.config.policy)
            .finish_non_exhaustive()
    }
}
