//! Whom a server refuses, with the time as an argument.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use http::StatusCode;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::token_bucket::TokenBucket;

/// How a server answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServerSettings {
    /// The calls that are refused.
    pub(super) refuses: Refuses,
    /// The status of a refusal, which is sent at once.
    pub(super) status: StatusCode,
    /// The seconds in the `Retry-After` of a refusal, if it has one.
    pub(super) hint: Option<u32>,
    /// The time that a served call takes.
    pub(super) service_time: Duration,
}

impl ServerSettings {
    /// Creates the settings of a server that serves at once, and refuses with 429 and `Retry-After: 1`.
    pub(super) fn new(refuses: Refuses) -> Self {
        let status = StatusCode::TOO_MANY_REQUESTS;
        Self { refuses, status, hint: Some(1), service_time: Duration::ZERO }
    }
}

/// The calls that a server refuses.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refuses {
    /// No call.
    Nothing,
    /// A share of the calls, drawn at random.
    AtRandom { share: f64 },
    /// Each call of one request in so many.
    OneRequestIn(u32),
    /// The calls for which a token bucket has no token, until the limit is lifted.
    WithoutToken { rate: u32, burst: u32, lifted_after: Option<Duration> },
    /// The calls that come while so many are being served.
    MoreAtATime(u32),
    /// The first so many calls of each request.
    FirstCalls(u32),
    /// The calls of one key.
    Throttled,
}

impl Refuses {
    /// Returns whether a request can be served at all.
    pub(super) fn can_be_served(self, id: u32) -> bool {
        match self {
            Self::OneRequestIn(count) => !id.is_multiple_of(count),
            _ => true,
        }
    }
}

/// What a server knows of a call.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CallHead {
    /// The number of the request.
    pub(super) id: u32,
    /// True if the request has the key that is throttled.
    pub(super) is_throttled: bool,
}

/// The state of a server since its first call.
pub(super) struct ServerModel {
    refuses: Refuses,
    random: Xoshiro256PlusPlus,
    first_call_at: Instant,
    bucket: Option<TokenBucket>,
    in_flight: u32,
    refused_calls: HashMap<u32, u32>,
}

impl ServerModel {
    /// Creates the server at its first call.
    pub(super) fn new(refuses: Refuses, now: Instant) -> Self {
        let bucket = match refuses {
            Refuses::WithoutToken { rate, burst, .. } => Some(TokenBucket::full(rate, burst, now)),
            _ => None,
        };
        Self {
            refuses,
            random: Xoshiro256PlusPlus::seed_from_u64(1),
            first_call_at: now,
            bucket,
            in_flight: 0,
            refused_calls: HashMap::new(),
        }
    }

    /// Returns whether the call is served. If so, [`end`](Self::end) follows once it is answered.
    pub(super) fn start(&mut self, call: CallHead, now: Instant) -> bool {
        let is_refused = match self.refuses {
            Refuses::Nothing => false,
            Refuses::AtRandom { share } => self.random.random::<f64>() < share,
            Refuses::OneRequestIn(_) => !self.refuses.can_be_served(call.id),
            Refuses::WithoutToken { lifted_after, .. } => {
                let is_lifted = lifted_after.is_some_and(|after| now >= self.first_call_at + after);
                !is_lifted && self.bucket.as_mut().is_some_and(|bucket| !bucket.take(now))
            }
            Refuses::MoreAtATime(most) => self.in_flight >= most,
            Refuses::FirstCalls(count) => {
                let refused = self.refused_calls.entry(call.id).or_default();
                *refused += 1;
                *refused <= count
            }
            Refuses::Throttled => call.is_throttled,
        };
        if !is_refused {
            self.in_flight += 1;
        }
        !is_refused
    }

    /// Records that a served call is answered, or that its client is gone.
    pub(super) fn end(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(id: u32) -> CallHead {
        CallHead { id, is_throttled: false }
    }

    #[test]
    fn noise_refuses_about_its_share() {
        let now = Instant::now();
        let mut model = ServerModel::new(Refuses::AtRandom { share: 0.05 }, now);
        let refused = (0..1_000).filter(|id| !model.start(call(*id), now)).count();
        assert!((30..=70).contains(&refused), "{refused}");
    }

    #[test]
    fn one_request_in_so_many_is_always_refused() {
        let now = Instant::now();
        let mut model = ServerModel::new(Refuses::OneRequestIn(50), now);
        for _ in 0..3 {
            assert!(!model.start(call(50), now));
            assert!(model.start(call(51), now));
        }
    }

    #[test]
    fn a_bucket_serves_its_burst_then_its_rate_and_all_once_it_is_lifted() {
        let now = Instant::now();
        let lifted_after = Some(Duration::from_secs(6));
        let mut model = ServerModel::new(Refuses::WithoutToken { rate: 10, burst: 3, lifted_after }, now);
        let mut served = |at| (0..100).filter(|id| model.start(call(*id), now + at)).count();
        assert_eq!(served(Duration::ZERO), 3);
        assert_eq!(served(Duration::from_millis(150)), 1);
        assert_eq!(served(Duration::from_millis(5_999)), 3);
        assert_eq!(served(Duration::from_secs(6)), 100);
    }

    #[test]
    fn a_call_is_served_once_another_ends() {
        let now = Instant::now();
        let mut model = ServerModel::new(Refuses::MoreAtATime(2), now);
        assert_eq!([0, 1, 2].map(|id| model.start(call(id), now)), [true, true, false]);
        model.end();
        assert_eq!([3, 4].map(|id| model.start(call(id), now)), [true, false]);
    }

    #[test]
    fn the_first_calls_of_each_request_are_refused() {
        let now = Instant::now();
        let mut model = ServerModel::new(Refuses::FirstCalls(3), now);
        for id in [7, 8] {
            assert_eq!([(); 4].map(|()| model.start(call(id), now)), [false, false, false, true]);
        }
    }

    #[test]
    fn one_key_is_refused_and_no_other() {
        let now = Instant::now();
        let mut model = ServerModel::new(Refuses::Throttled, now);
        assert!(!model.start(CallHead { id: 1, is_throttled: true }, now));
        assert!(model.start(call(1), now));
        assert!(ServerModel::new(Refuses::Nothing, now).start(CallHead { id: 1, is_throttled: true }, now));
    }
}
