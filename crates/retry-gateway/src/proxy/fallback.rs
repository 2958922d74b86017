//! Whether a request that an upstream cannot take now goes to another one, and what its client gets in the end.
//!
//! Nothing goes on that may have been processed, unless the route's policy holds it to be worth another attempt; nor
//! after the client was given anything, after the route's timeout, or without the whole body.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_retry::HeadSnapshot;
use tokio::time::Instant;
use tower::Service;
use tower_http_retry::body::{ReplayMemory, ReplaySource};
use tower_http_retry::failure::failure_kind_assuming_sent;
use tower_http_retry::policy::{BodyState, Failure, ResponseHead};
use tower_http_retry::{
    Attempt, FailureKind, GiveUpReason, Outcome, PaceError, RetryCause, RetryInfo, RetryOverride,
};

use crate::config::ErrorBodyDrain;
use crate::connection::limit::Permit;
use crate::llm::Mark;
use crate::message::forwarding::ForwardingHeaders;
use crate::proxy::policy::GatewayPolicy;
use crate::proxy::upstream_route::{Leg, Retries};
use crate::telemetry::reason::FallbackReason;
use crate::telemetry::request_log::Trail;
use crate::time::pooled_timeout::TimerPool;
use crate::upstream::error::AttemptError;
use crate::upstream::request_body::Upload;
use crate::upstream::response_body::UpstreamBody;
use crate::upstream::service::Attempts;

/// The upstreams of a route, in the order in which they are tried, and when the next one is.
#[derive(Debug)]
pub(crate) struct Fallback {
    /// Two or more.
    pub(crate) legs: Vec<Leg>,
    /// How long one that is not the last may take until its last attempt begins.
    pub(crate) after: Duration,
    /// The route's, from when the request came.
    pub(crate) timeout: Duration,
    /// `None` where nothing is sent again that may have been processed.
    pub(crate) policy: Option<GatewayPolicy>,
    /// Of the request's body.
    pub(crate) limit: usize,
    pub(crate) memory: ReplayMemory,
    /// How much of a response is read, to be had if no other comes.
    pub(crate) drain: ErrorBodyDrain,
    pub(crate) alarms: TimerPool,
}

/// A request on its way.
pub(crate) struct Errand {
    pub(crate) request: Request<Upload>,
    pub(crate) trail: Trail,
    pub(crate) origin: ForwardingHeaders,
    pub(crate) expects: bool,
}

/// What came of a request.
pub(crate) struct Ended {
    pub(crate) result: Tried,
    /// What its last upstream took.
    pub(crate) info: Option<RetryInfo>,
    /// The place there.
    pub(crate) seat: Option<Permit>,
    pub(crate) fallen: Fallen,
}

/// What else is known of a request that had several upstreams.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fallen {
    /// The leg whose response the client gets, which need not be the last that was tried.
    pub(crate) answered: usize,
    /// Why the request left the upstream before, if it did.
    pub(crate) why: Option<FallbackReason>,
    /// How long it waited at those that it left.
    pub(crate) waited: Duration,
}

type Tried = Result<Response<UpstreamBody>, PaceError<AttemptError>>;

impl Fallback {
    pub(crate) fn leg(&self, number: usize) -> &Leg {
        &self.legs[number.min(self.legs.len() - 1)]
    }

    /// Sends a request to one upstream after the other, until there is something for its client.
    pub(crate) async fn send(self: Arc<Self>, errand: Errand) -> Ended {
        let mut fallen = Fallen { answered: 0, why: None, waited: Duration::ZERO };
        let Some((mut number, mut seat)) = self.enter(0) else {
            let result = Err(PaceError::Inner(AttemptError::Overflow));
            return Ended { result, info: None, seat: None, fallen };
        };
        let (trip, mut request) = Trip::begin(&self, errand);
        let mut held = None;
        loop {
            let (mut result, info) = trip.take(number, request).await;
            let next = trip.why(&result, info).and_then(|why| Some((why, self.enter(number + 1)?)));
            let mut is_kept = false;
            if next.is_some() {
                // Before its request is taken from the upstream, which may end the connection.
                (result, is_kept) = self.gathered(result).await;
            }
            let Some((why, (next, next_seat))) = next.filter(|_| trip.body.rewind()) else {
                fallen.answered = number;
                if let (Err(error), Some((answered, response))) = (&result, held)
                    && is_unsent(error)
                    && !trip.request_log.body_failed()
                {
                    fallen.answered = answered;
                    result = Ok(response);
                }
                return Ended { result, info, seat: Some(seat), fallen };
            };
            self.leg(number).counts.record_fallback(trip.request_log.attempts_at(number), info, why);
            fallen.why = Some(why);
            fallen.waited += info.map_or(Duration::ZERO, |info| info.waited());
            if let (Ok(response), true) = (result, is_kept) {
                held = Some((number, response));
            }
            (number, seat) = (next, next_seat);
            request = trip.again();
        }
    }

    /// The first leg from this number on that has a place.
    fn enter(&self, from: usize) -> Option<(usize, Permit)> {
        let mut legs = self.legs.iter().enumerate().skip(from);
        let (number, seat) = legs.find_map(|(number, leg)| Some((number, leg.take_seat()?)))?;
        self.legs[from..number].iter().for_each(|leg| leg.counts.record_skip(FallbackReason::Overflow));
        Some((number, seat))
    }

    /// With as much of a response's body as is read of a failed one, and whether that is all of it. Then its connection
    /// is free.
    async fn gathered(&self, result: Tried) -> (Tried, bool) {
        let Ok(response) = result else {
            return (result, false);
        };
        let (head, body) = response.into_parts();
        let until = Instant::now() + self.drain.time;
        let (body, is_all) = body.gather(self.drain.bytes, until, &self.alarms).await;
        (Ok(Response::from_parts(head, body)), is_all)
    }
}

/// What a request takes along from one upstream to the next.
struct Trip<'a> {
    fallback: &'a Fallback,
    trail: Trail,
    origin: ForwardingHeaders,
    expects: bool,
    head: HeadSnapshot,
    body: ReplaySource<Upload>,
    ends_at: Instant,
}

impl<'a> Trip<'a> {
    /// With the request for the first of them.
    fn begin(fallback: &'a Fallback, errand: Errand) -> (Self, Request<Upload>) {
        let Errand { request, trail, origin, expects } = errand;
        let head = HeadSnapshot::new(&request);
        let (parts, body) = request.into_parts();
        let body = ReplaySource::new(body, fallback.limit, fallback.memory.clone());
        let request = Request::from_parts(parts, Upload::again(body.body()));
        let ends_at = request_log.started_at() + fallback.timeout;
        (Self { fallback, request_log, origin, expects, head, body, ends_at }, request)
    }

    /// The request for another one.
    fn again(&self) -> Request<Upload> {
        Request::from_parts(self.head.restore(), Upload::again(self.body.body()))
    }

    /// What comes of the request at an upstream.
    async fn take(&self, number: usize, mut request: Request<Upload>) -> (Tried, Option<RetryInfo>) {
        self.request_log.enter_target(number);
        let leg = self.fallback.leg(number);
        let left = self.ends_at.saturating_duration_since(Instant::now());
        let is_last = number + 1 == self.fallback.legs.len();
        let wait = if is_last { left } else { left.min(self.fallback.after) };
        request.extensions_mut().insert(RetryOverride::new().max_elapsed(wait));
        let (request_log, origin) = (self.request_log.clone(), self.origin.clone());
        tried(leg, request, Attempts::new(Arc::clone(&leg.way), request_log, origin, self.expects)).await
    }

    /// Why another upstream may have the request after that, if it may.
    fn why(&self, result: &Tried, info: Option<RetryInfo>) -> Option<FallbackReason> {
        // A body that the client did not send to its end is none either.
        if self.ends_at <= Instant::now() || self.body.state() != BodyState::Replayable {
            return None;
        }
        let outcome: Outcome<'_> = match result {
            Err(PaceError::Rejected(_) | PaceError::Inner(AttemptError::Paced(_))) => {
                return Some(FallbackReason::Paced);
            }
            Err(PaceError::Inner(error)) => match failure_kind_assuming_sent(error) {
                FailureKind::NeverSent => return Some(FallbackReason::RetryCause(RetryCause::NeverSent)),
                kind => Failure::new(kind).into(),
            },
            Ok(response) if response.extensions().get() == Some(&BodySignal::QuotaGone) => {
                return Some(FallbackReason::QuotaGone);
            }
            Ok(response) => ResponseHead::from(response).into(),
        };
        let head = self.head.head();
        let is_final = info.and_then(|info| info.reason()) == Some(GiveUpReason::ServerSaidNo);
        if is_final || head.is_connect_or_upgrade() {
            return None;
        }
        let number = info.map_or(1, |info| info.attempts());
        let (cause, _) = self.fallback.policy.as_ref()?.rule(&Attempt::new(number, head, outcome))?;
        Some(FallbackReason::RetryCause(cause))
    }
}

/// What comes of a request at one upstream.
async fn tried(leg: &Leg, request: Request<Upload>, attempts: Attempts) -> (Tried, Option<RetryInfo>) {
    match &leg.retries {
        Retries::Unpaced(retry) => {
            let mut sent = pin!(retry.with_inner(attempts).call(request));
            let result = sent.as_mut().await;
            let result = result.map(|response| response.map(UpstreamBody::from));
            (result.map_err(PaceError::Inner), sent.info())
        }
        Retries::Paced(retry) => {
            let mut sent = pin!(retry.with_inner(attempts).call(request));
            let result = sent.as_mut().await;
            (result.map(|response| response.map(UpstreamBody::from)), sent.info())
        }
    }
}

/// Whether the upstream never had the request, or says that it did nothing about it.
fn is_unsent(error: &PaceError<AttemptError>) -> bool {
    match error {
        PaceError::Rejected(_) | PaceError::Inner(AttemptError::Paced(_)) => true,
        PaceError::Inner(error) => {
            matches!(failure_kind_assuming_sent(error), FailureKind::NeverSent | FailureKind::Unprocessed)
        }
    }
}
