//! Plays one request whose every attempt has the outcome of the case: when its attempts start, and why there are no more.

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use http::{Request, Response};
use http_retry::{Admission, ClockReading, Decision, Permit, Session, Ticket, Why};
use rand::TryRng;
use tower_http_retry::policy::{Failure, ResponseHead};
use tower_http_retry::{Attempt, FailureKind, GiveUpReason, Outcome, Pace, RequestHead};

use crate::config::{PaceConfig, PaceKey};
use crate::proxy::policy::GatewayPolicy;
use crate::upstream::balancer::NoOtherEndpoint;
use crate::upstream::error::AttemptError;
use crate::upstream::pace::new_pace;

/// A request, and all that decides when its attempts start.
pub(super) struct Play<'a> {
    pub(super) policy: &'a GatewayPolicy,
    pub(super) max_attempts: u32,
    /// The longest time for all waits together.
    pub(super) max_wait: Duration,
    pub(super) request: &'a Request<()>,
    pub(super) outcome: PlayedOutcome,
    /// The number of endpoints.
    pub(super) endpoints: usize,
    pub(super) pace: Option<&'a PaceConfig>,
    pub(super) now: SystemTime,
}

/// The outcome of each attempt.
pub(super) enum PlayedOutcome {
    /// A failure, with the error by which the policy knows that another endpoint is left.
    Failure(FailureKind, Option<AttemptError>),
    Response(Response<()>),
}

/// The resends of a request.
#[derive(Debug)]
pub(super) struct Resends {
    pub(super) waits: Vec<ResendWait>,
    pub(super) end: ResendEnd,
}

/// The wait before one resend.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResendWait {
    /// The time from the outcome before to the start of the attempt.
    pub(super) delay: Duration,
    /// The reason for which the pace holds the attempt back for longer than its own hint or backoff, if it does.
    pub(super) why: Option<Why>,
    /// `true` if the attempt is a probe for all that wait.
    pub(super) is_probe: bool,
}

/// The reason for which a request is not sent again.
#[derive(Clone, Copy, Debug)]
pub(super) enum ResendEnd {
    GiveUp(GiveUpReason),
    /// A later attempt with this outcome is not worth another one.
    Accepted,
    /// The waits would add up to this time, which is longer than they may.
    TooLate(Duration),
}

/// The end of a window at which each wait of a play is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) enum Draw {
    Earliest,
    Latest,
}

impl PlayedOutcome {
    pub(super) fn failure(kind: FailureKind) -> Self {
        Self::Failure(kind, None)
    }

    pub(super) fn outcome(&self) -> Outcome<'_> {
        match self {
            Self::Failure(kind, None) => Failure::new(*kind).into(),
            Self::Failure(kind, Some(error)) => Failure::new(*kind).error(error).into(),
            Self::Response(response) => ResponseHead::from(response).into(),
        }
    }

    /// Notes whether an endpoint is left that was not tried.
    fn mark(&mut self, is_last: bool) {
        match self {
            Self::Failure(FailureKind::NeverSent, error) => {
                *error = (!is_last).then(|| AttemptError::Redispatch(Box::new(AttemptError::down())));
            }
            Self::Failure(..) => {}
            Self::Response(response) => {
                match is_last {
                    true => response.extensions_mut().insert(NoOtherEndpoint),
                    false => response.extensions_mut().remove(),
                };
            }
        }
    }
}

impl Play<'_> {
    /// Plays the request, with all waits drawn at the same end of their windows.
    pub(super) fn run(&mut self, mut draw: Draw) -> Resends {
        // With the key `endpoint`, the next attempt is at another endpoint, or waits there.
        let pace = self.pace.filter(|pace| pace.key != PaceKey::Endpoint).map(new_pace);
        let mut paced = pace.as_ref().map(|pace| PacedPlay::new(pace, self.request));
        let mut at = START;
        let mut session = Session::new().max_attempts(self.max_attempts).max_elapsed(None).started(at);
        if paced.is_some() {
            session = session.paced();
        }
        if let Some(paced) = &mut paced {
            paced.admit(&mut at);
        }
        let (mut waits, mut total) = (Vec::new(), Duration::ZERO);
        let end = loop {
            at += ROUND_TRIP;
            self.outcome.mark(session.number() as usize >= self.endpoints);
            let outcome = self.outcome.outcome();
            let reading = ClockReading::new(at, self.now);
            if paced.as_mut().is_some_and(|paced| paced.settle(&outcome, reading)) {
                session.leave_uncounted();
            }
            let attempt = Attempt::new(session.number(), self.request, outcome);
            let delay = match session.decide(self.policy, &attempt, None, || reading, &mut draw) {
                Decision::Wait(delay) => delay,
                Decision::GiveUp(reason) => break ResendEnd::GiveUp(reason),
                Decision::Accept => break ResendEnd::Accepted,
            };
            let failed_at = at;
            at += delay;
            let (why, is_probe) = paced.as_mut().map_or((None, false), |paced| paced.admit(&mut at));
            total += at - failed_at;
            // The other end of the windows is only for the text.
            if total > self.max_wait && matches!(draw, Draw::Earliest) {
                break ResendEnd::TooLate(total);
            }
            session.resend_after(at - failed_at);
            waits.push(ResendWait { delay: at - failed_at, why, is_probe });
        };
        Resends { waits, end }
    }
}

/// The request at its pace.
struct PacedPlay<'a> {
    pace: &'a Pace,
    ticket: Ticket,
    permit: Option<Permit>,
}

impl<'a> PacedPlay<'a> {
    fn new(pace: &'a Pace, request: &Request<()>) -> Self {
        Self { pace, ticket: pace.ticket(&RequestHead::from(request)), permit: None }
    }

    /// Waits until the request may be sent, from `at` on, which moves to that time. Returns the reason of a wait, and whether
    /// the request is a probe.
    fn admit(&mut self, at: &mut Duration) -> (Option<Why>, bool) {
        self.ticket.not_before(*at);
        let mut first = None;
        for _ in 0..MAX_POLLS {
            match self.pace.poll(&mut self.ticket, *at, None) {
                Admission::Go(permit) => {
                    let is_probe = permit.is_probe();
                    self.permit = Some(permit);
                    return (first, is_probe);
                }
                Admission::Wait { until, why } => {
                    first.get_or_insert(why);
                    *at = until.max(*at);
                }
                Admission::Rejected(_) => break,
            }
        }
        self.pace.leave(&mut self.ticket, *at);
        (first, false)
    }

    /// Reports the outcome of the attempt. Returns whether the attempt does not count among the request's own.
    fn settle(&mut self, outcome: &Outcome<'_>, reading: ClockReading) -> bool {
        let Some(permit) = self.permit.take() else { return false };
        match outcome {
            Outcome::Response(head) => self.pace.settle(permit, head, || reading).is_uncounted,
            Outcome::Failure(_) => {
                self.pace.lose(permit, reading.monotonic);
                false
            }
        }
    }
}

impl TryRng for Draw {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(match self {
            Self::Earliest => u32::MIN,
            Self::Latest => u32::MAX,
        })
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(match self {
            Self::Earliest => u64::MIN,
            Self::Latest => u64::MAX,
        })
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        let byte = self.try_next_u32()? as u8;
        bytes.fill(byte);
        Ok(())
    }
}

/// The time at which the request is sent. A pace knows no time before its start.
const START: Duration = Duration::from_secs(1);
/// The time from an attempt to its outcome.
pub(super) const ROUND_TRIP: Duration = Duration::from_millis(5);
/// The largest number of polls for one attempt.
const MAX_POLLS: usize = 10_000;
