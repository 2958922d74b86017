//! The callers of a fleet's members: they come, wait for the pace, and take what the server answers.

use std::time::{Duration, SystemTime};

use http::Response;
use http_retry::{Admission, ClockReading, Permit, ResponseHead, Ticket};
use rand::RngExt;

use super::{FleetEvent, World};

/// A request of a caller.
pub(super) struct FleetCaller {
    pub(super) member: usize,
    ticket: Ticket,
    permit: Option<Permit>,
    status: (u16, Option<u64>),
    arrived: Duration,
    attempts: u32,
    /// Tells the last wait of the caller from earlier ones.
    polls: u32,
}

impl World<'_> {
    pub(super) fn arrive(&mut self) {
        let alive: Vec<_> = (0..self.members.len()).filter(|index| !self.members[*index].is_dead).collect();
        let member = alive[self.rng.random_range(0..alive.len())];
        let (ticket, arrived) = (self.members[member].ticket(), self.now);
        let (permit, status) = (None, (0, None));
        self.callers.push(Some(FleetCaller {
            member,
            ticket,
            permit,
            status,
            arrived,
            attempts: 0,
            polls: 0,
        }));
        self.requests += 1;
        self.open += 1;
        self.poll(self.callers.len() - 1, None);
    }

    pub(super) fn poll(&mut self, index: usize, polls: Option<u32>) {
        let now = self.now;
        let Some(caller) = &mut self.callers[index] else {
            return;
        };
        if caller.permit.is_some() || polls.is_some_and(|polls| polls != caller.polls) {
            return;
        }
        let member = &mut self.members[caller.member];
        member.is_touched = true;
        caller.polls += 1;
        match member.pace.poll(&mut caller.ticket, now, Some(&member.waker(index))) {
            Admission::Go(permit) => {
                caller.permit = Some(permit);
                let latency = LATENCY.mul_f64(0.7 + 0.6 * self.rng.random::<f64>());
                caller.status = self.server.call(now + latency / 2);
                self.add(now + latency, FleetEvent::Answer { caller: index });
            }
            Admission::Wait { until, .. } => {
                let polls = caller.polls;
                self.add(until, FleetEvent::Poll { caller: index, polls });
            }
            Admission::Rejected(_) => {
                self.callers[index] = None;
                self.open -= 1;
            }
        }
    }

    pub(super) fn answer(&mut self, index: usize) {
        let now = self.now;
        let Some(caller) = &mut self.callers[index] else {
            return;
        };
        let Some(permit) = caller.permit.take() else {
            return;
        };
        let (status, hint) = caller.status;
        let mut response = Response::new(());
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
        if let Some(hint) = hint {
            response.headers_mut().insert(http::header::RETRY_AFTER, hint.into());
        }
        let member = &mut self.members[caller.member];
        member.is_touched = true;
        let head = ResponseHead::from(&response);
        let settlement = member.pace.settle(permit, &head, || ClockReading::new(now, SystemTime::UNIX_EPOCH));
        let Some(hint) = hint else {
            member.served += 1;
            self.took.push((now - caller.arrived).as_secs_f64());
            self.callers[index] = None;
            self.open -= 1;
            return;
        };
        caller.attempts += u32::from(!settlement.is_uncounted);
        if caller.attempts >= ATTEMPTS {
            self.callers[index] = None;
            self.open -= 1;
            return;
        }
        // With a pace, the layer adds no spread to a hint.
        caller.ticket.not_before(now + Duration::from_secs(hint));
        self.poll(index, None);
    }
}

/// The time from a call to its answer, on average.
const LATENCY: Duration = Duration::from_millis(30);
/// The attempts of a request.
const ATTEMPTS: u32 = 8;
