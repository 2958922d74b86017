//! The first attempt of a layer with a pace.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use http_retry::{Policy, RequestHead, Ticket};
use tower_service::Service;

use super::stage::Stage;
use super::state::RetryState;
use crate::ReplayBody;
use crate::bounds::{BytesBody, CloneService};
use crate::pace::{Admitted, PaceFuture};

impl<S, P, B, R> RetryState<S, P, B, Response<R>, S::Error>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + CloneService,
    P: Policy,
    B: BytesBody,
    R: Body,
{
    /// Admits the first attempt if the layer has no pace, or if the key is free and the inner service is ready. Then the caller
    /// sends it at once.
    ///
    /// # Errors
    ///
    /// Returns why the request is not sent yet.
    #[inline]
    pub(super) fn try_admit(
        &mut self,
        request: &Request<ReplayBody<B>>,
        now: Duration,
    ) -> Result<(), NotSent<S::Error>> {
        let Some(pace) = &self.config.pace else {
            return Ok(());
        };
        let (pace, head) = (&pace.pace, RequestHead::from(request));
        let admitted = Admitted::new(pace, &head, self.session.gives_up_at(), now).map_err(NotSent::Waits)?;
        match self.inner.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => {
                // The state has the permit before the call, which may panic.
                self.admitted = Some(admitted);
                Ok(())
            }
            Poll::Ready(Err(error)) => {
                admitted.give_back(pace, &head, now);
                Err(NotSent::Failed(error))
            }
            Poll::Pending => {
                // The instance would wake nobody once it is ready.
                self.inner = self.inner.clone();
                Err(NotSent::Waits(admitted.give_back(pace, &head, now)))
            }
        }
    }

    /// Lets a first attempt wait that was not admitted at once.
    #[cold]
    pub(super) fn not_sent(
        &mut self,
        request: Request<ReplayBody<B>>,
        reason: NotSent<S::Error>,
    ) -> Stage<S, B> {
        match (reason, &self.config.pace) {
            (NotSent::Waits(ticket), Some(pace)) => {
                let gives_up_at = self.session.gives_up_at();
                Stage::paced(&self.inner, pace, &self.config, request, ticket, gives_up_at)
            }
            (NotSent::Failed(error), _) => Stage::First { first: Box::pin(PaceFuture::failed(error)) },
            // Without a pace there are no tickets.
            (NotSent::Waits(_), None) => Stage::Attempt { attempt: self.inner.call(request) },
        }
    }
}

/// The reason for which a first attempt is not sent at once.
pub(super) enum NotSent<E> {
    /// It has to wait for the pace, or for the inner service. This is its ticket.
    Waits(Ticket),
    /// The inner service failed when it was readied.
    Failed(E),
}
