//! The server: it serves or refuses a call, and tells when and why in the head of its answer.

mod bucket;
mod concurrent;
mod fixed;
mod gcra;
mod head;
mod limit;
mod quotas;
mod schedule;
mod sliding;

use std::rc::Rc;
use std::time::{Duration, SystemTime};

use http::Response;

use self::head::{Heads, Hint};
use self::schedule::Schedule;
use super::draws::{Draws, Purpose};
use super::{Announces, HintSpec, Outage, ServerSpec};

/// A server with a limit for each key.
#[derive(Debug)]
pub(super) struct Server<'a> {
    spec: &'a ServerSpec,
    draws: Draws,
    /// The limit of each key.
    keys: Vec<Schedule<'a>>,
    heads: Heads,
}

/// One send of a request, as the server sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    /// The request's identity, for its random numbers.
    pub(super) request: u64,
    /// The number of the attempt; 1 is the original.
    pub(super) attempt: u32,
    /// The index of the key.
    pub(super) key: usize,
    /// The cost in units.
    pub(super) cost: u32,
    /// `true` if the server refuses the request always.
    pub(super) is_poison: bool,
}

/// The server's answer to a call.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    /// The head of the answer.
    pub(super) response: Rc<Response<()>>,
    /// `true` if the call is served.
    pub(super) is_served: bool,
    /// The time that it takes, which is zero for a refusal.
    pub(super) service: Duration,
    /// The hint in the head.
    pub(super) hint: Option<Duration>,
}

/// The reason and the form of a refusal.
#[derive(Clone, Copy, Debug)]
struct Refusal {
    status: u16,
    hint: Option<Hint>,
}

impl<'a> Server<'a> {
    /// Creates a server for so many keys. The wall clock shows `wall` at time 0.
    pub(super) fn new(spec: &'a ServerSpec, keys: usize, wall: SystemTime, draws: Draws) -> Self {
        let keys = (0..keys).map(|_| Schedule::new(&spec.limits)).collect();
        Self { spec, draws, keys, heads: Heads::new(wall) }
    }

    /// Answers a call. Calls arrive in the order of time.
    pub(super) fn arrive(&mut self, now: Duration, call: &Call) -> Reply {
        let outcome = match self.refusal_without_limit(now, call) {
            Some(refusal) => Err(refusal),
            None => self.ask_limit(now, call),
        };
        let (status, hint) = match &outcome {
            Ok(_) => (200, None),
            Err(refusal) => (refusal.status, refusal.hint),
        };
        let response = match self.spec.announces {
            Announces::Nothing => self.heads.plain(status, hint),
            form => self.heads.announcing(status, hint, form, self.keys[call.key].announced(now), now),
        };
        Reply {
            response,
            is_served: outcome.is_ok(),
            service: outcome.unwrap_or_default(),
            hint: hint.map(Hint::delay),
        }
    }

    /// Returns the first moment from `now` on at which this call would be served if no other call came. Refusals that
    /// no time avoids do not count: see [`is_refused_anyway`](Self::is_refused_anyway). A call that is never served has
    /// [`Duration::MAX`].
    pub(super) fn first_served(&self, now: Duration, call: &Call) -> Duration {
        // A limit that has room still has it at the end of the outage, because nothing came.
        self.out_of_outage(self.keys[call.key].first_served(now, call.cost))
    }

    /// Returns the first moment from `now` on that is not in the outage.
    pub(super) fn out_of_outage(&self, now: Duration) -> Duration {
        self.outage_at(now).map_or(now, |outage| outage.to)
    }

    /// Returns whether the server refuses this attempt whenever it comes: by chance, as poison, or as one of the first.
    pub(super) fn is_refused_anyway(&self, call: &Call) -> bool {
        self.refusal_at_any_time(call).is_some()
    }

    fn refusal_without_limit(&self, now: Duration, call: &Call) -> Option<Refusal> {
        match self.outage_at(now) {
            Some(outage) => Some(Refusal { status: outage.status, hint: outage.hint.map(Hint::Seconds) }),
            None => self.refusal_at_any_time(call),
        }
    }

    fn outage_at(&self, now: Duration) -> Option<&Outage> {
        self.spec.outage.as_ref().filter(|outage| outage.from <= now && now < outage.to)
    }

    fn refusal_at_any_time(&self, call: &Call) -> Option<Refusal> {
        let chance = || self.draws.unit(Purpose::Noise, call.request, call.attempt);
        if let Some(noise) = self.spec.noise.filter(|noise| chance() < noise.share) {
            return Some(Refusal { status: noise.status, hint: noise.hint.map(Hint::Seconds) });
        }
        if call.is_poison {
            return Some(Refusal { status: 429, hint: self.spec.poison_hint.map(Hint::exactly) });
        }
        let is_first = call.attempt <= self.spec.refused_first;
        is_first.then(|| Refusal { status: 429, hint: self.hint(Duration::ZERO) })
    }

    /// Returns the service time, or a refusal.
    fn ask_limit(&mut self, now: Duration, call: &Call) -> Result<Duration, Refusal> {
        let service = self.service(call.request);
        match self.keys[call.key].arrive(now, call.cost, now.saturating_add(service)) {
            Ok(()) => Ok(service),
            Err(free_at) => Err(Refusal { status: 429, hint: self.hint(free_at.saturating_sub(now)) }),
        }
    }

    /// Returns the hint of a refusal if one more call would be served after `delay`.
    fn hint(&self, delay: Duration) -> Option<Hint> {
        match self.spec.hint {
            HintSpec::None => None,
            HintSpec::Seconds { at_least } => Some(Hint::Seconds(head::whole_seconds(delay).max(at_least))),
            HintSpec::Fixed { seconds } => Some(Hint::Seconds(seconds)),
            HintSpec::Milliseconds => Some(Hint::Milliseconds(head::whole_milliseconds(delay))),
            HintSpec::Scaled { factor } => {
                let seconds = (delay.as_secs_f64() * factor).ceil().max(1.0);
                // A conversion from a float saturates.
                Some(Hint::Seconds(seconds as u64))
            }
        }
    }

    /// Returns the service time of a request, the same for each of its attempts.
    fn service(&self, request: u64) -> Duration {
        let ServerSpec { service, service_sigma, .. } = *self.spec;
        if service_sigma == 0.0 {
            return service;
        }
        let factor = (service_sigma * self.draws.normal(request)).exp();
        Duration::try_from_secs_f64(service.as_secs_f64() * factor).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests;
