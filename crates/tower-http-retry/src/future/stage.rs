//! The stages of a request's future.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_retry::{RequestHead, Ticket};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::bounds::CloneService;
use crate::config::Config;
use crate::pace::{PaceFuture, SharedPace};
use crate::{ReplayBody, RetryInfo};

pin_project! {
    #[project = StageProj]
    pub(super) enum Stage<S, B>
    where
        S: Service<Request<ReplayBody<B>>>,
    {
        /// The first attempt of a layer with a pace that did not admit it at the call. It waits for admission, and is then sent.
        /// It is boxed, because few requests wait.
        First { first: Pin<Box<PaceFuture<S, ReplayBody<B>>>> },
        /// An attempt is in flight.
        Attempt { #[pin] attempt: S::Future },
        /// The layer waits between two attempts. The last attempt was dropped, with every permit that it held. Its response is
        /// being read to its end, or was dropped too.
        Wait,
        /// The wait is over, and the layer readies the inner service. With a pace, the stage `Wait` does this too, because a
        /// request may have to wait again.
        Ready,
        Done { info: Option<RetryInfo> },
    }
}

impl<S, B, R> Stage<S, B>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + CloneService,
{
    /// Starts the first attempt of a request that is sent once. The service must be ready, unless the layer has a pace.
    #[inline]
    pub(super) fn once<P>(
        inner: &mut S,
        config: &Config<P>,
        request: Request<ReplayBody<B>>,
        gives_up_at: Option<Duration>,
    ) -> Self {
        match &config.pace {
            None => Self::Attempt { attempt: inner.call(request) },
            Some(pace) => {
                let ticket = pace.pace.ticket(&RequestHead::from(&request));
                Self::paced(inner, pace, config, request, ticket, gives_up_at)
            }
        }
    }

    /// Lets the first attempt wait for admission.
    #[cold]
    pub(super) fn paced<P>(
        inner: &S,
        pace: &SharedPace,
        config: &Config<P>,
        request: Request<ReplayBody<B>>,
        ticket: Ticket,
        gives_up_at: Option<Duration>,
    ) -> Self {
        let timer = Arc::clone(&config.timer);
        let first = PaceFuture::new(inner.clone(), request, pace.clone(), timer, ticket, gives_up_at);
        Self::First { first: Box::pin(first) }
    }
}
