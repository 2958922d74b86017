//! A run of a script against a policy, in virtual time.

use std::time::{Duration, SystemTime};

use http::Request;
use rand::{SeedableRng, rngs::SmallRng};

use super::{Script, Scripted};
use crate::{Attempt, ClockReading, Decision, GiveUpReason, Outcome, Policy, ResponseHead, Session};

/// The record of one request to the server of a [`Script`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript {
    /// The time at which each attempt was sent, counted from the first.
    pub sent_at: Vec<Duration>,
    /// The end of the request.
    pub end: End,
}

/// The end of a request to the server of a [`Script`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The caller got the last answer, which was not worth a retry.
    Accepted,
    /// The caller got the last answer, which was worth a retry, because the session gave up for this reason.
    GaveUp(GiveUpReason),
    /// The last attempt never got an answer.
    Pending,
}

impl Script {
    /// Runs a GET against the script in virtual time. Answers take no time, so only waits count. The delays are drawn from a
    /// fixed seed.
    pub fn play<P: Policy + ?Sized>(&self, policy: &P, session: Session) -> Transcript {
        let request = Request::get("http://test.example/").body(()).unwrap_or_default();
        self.play_to(policy, &request, session)
    }

    /// Runs this request against the script, as [`play`](Self::play) does with a GET.
    pub fn play_to<P: Policy + ?Sized, B>(
        &self,
        policy: &P,
        request: &Request<B>,
        mut session: Session,
    ) -> Transcript {
        let mut rng = SmallRng::seed_from_u64(1);
        let mut sent_at = vec![Duration::ZERO];
        let end = loop {
            let now = sent_at.last().copied().unwrap_or_default();
            let response;
            let outcome = match self.nth(sent_at.len()) {
                Scripted::Pending => break End::Pending,
                Scripted::Failure(kind) => kind.into(),
                Scripted::Response(scripted) => {
                    response = scripted;
                    Outcome::from(ResponseHead::from(&response))
                }
            };
            let attempt = Attempt::new(session.number(), request, outcome);
            // A date in a hint is compared with the `Date` of the response, or else with the Unix epoch.
            let clock = || ClockReading::new(now, SystemTime::UNIX_EPOCH);
            match session.decide(policy, &attempt, None, clock, &mut rng) {
                Decision::Accept => break End::Accepted,
                Decision::GiveUp(reason) => break End::GaveUp(reason),
                Decision::Wait(delay) => sent_at.push(now.saturating_add(delay)),
            }
            session.resend();
        };
        Transcript { sent_at, end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FailureKind, FixedDelay};

    #[track_caller]
    fn check(script: Script, request: Request<()>, expected_ms: &[u64], end: End) {
        let policy = FixedDelay::new(Duration::from_millis(100));
        let session = Session::new().max_elapsed(Duration::from_secs(5));
        let sent_at = expected_ms.iter().map(|millis| Duration::from_millis(*millis)).collect();
        assert_eq!(script.play_to(&policy, &request, session), Transcript { sent_at, end });
    }

    #[test]
    fn each_attempt_is_sent_after_its_delay() {
        let get = Request::default;
        let post = || Request::post("/").body(()).unwrap();
        let script = Script::new;
        check(script(), get(), &[0], End::Accepted);
        check(script().status(503), get(), &[0, 100, 200], End::GaveUp(GiveUpReason::MaxAttempts));
        check(script().status(503).status(200), get(), &[0, 100], End::Accepted);
        check(script().status(503).status(200), post(), &[0], End::GaveUp(GiveUpReason::NotIdempotent));
        let busy = script().status(429).header("retry-after", "2");
        check(busy.clone().status(200), post(), &[0, 2_000], End::Accepted);
        check(busy.header("retry-after", "6"), post(), &[0], End::GaveUp(GiveUpReason::MaxElapsed));
        check(script().failure(FailureKind::NeverSent).pending(), post(), &[0, 100], End::Pending);
    }
}
