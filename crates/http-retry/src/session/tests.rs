#![cfg(not(loom))]

mod admission;
mod properties;
mod pushback;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::SystemTime;

use http::{Request, Response};
use rand::{SeedableRng, rngs::SmallRng};

use self::CaseOutcome::{Failure, Hint, Pushback, Status};
use super::*;
use crate::{
    BodyState, DecorrelatedJitter, ExponentialBackoff, FailureKind, FixedDelay, GiveUpReason, Plan,
    ResponseHead, RetryAfterFirst, Window, policy_fn,
};

/// The outcome of an attempt.
#[derive(Clone, Debug)]
enum CaseOutcome {
    Status(u16),
    /// A status with a `retry-after-ms`.
    Hint(u16, u64),
    /// A 503 with a `grpc-retry-pushback-ms`.
    Pushback(&'static str),
    Failure(FailureKind),
}

const UNPROCESSED: CaseOutcome = Failure(FailureKind::Unprocessed);

/// A hand-written loop around a session. Time moves only by the waits, and by the test.
struct RetryLoop<'a> {
    policy: &'a dyn Policy,
    session: Session,
    budget: Option<Budget>,
    body: BodyState,
    now: Duration,
    rng: SmallRng,
}

impl<'a> RetryLoop<'a> {
    fn new(policy: &'a dyn Policy, session: Session) -> Self {
        let rng = SmallRng::seed_from_u64(1);
        Self { policy, session, budget: None, body: BodyState::Replayable, now: Duration::ZERO, rng }
    }

    fn decide(&mut self, outcome: &CaseOutcome) -> Decision {
        let request = Request::new(());
        let mut response = Response::new(());
        let outcome = match *outcome {
            Failure(kind) => kind.into(),
            Status(status) | Hint(status, _) => {
                *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
                if let Hint(_, millis) = *outcome {
                    response.headers_mut().insert("retry-after-ms", millis.into());
                }
                Outcome::from(ResponseHead::from(&response))
            }
            Pushback(value) => {
                *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
                response.headers_mut().insert("grpc-retry-pushback-ms", value.parse().unwrap());
                Outcome::from(ResponseHead::from(&response))
            }
        };
        let attempt = Attempt::new(self.session.number(), &request, outcome).body(self.body);
        let clock = || ClockReading::new(self.now, SystemTime::UNIX_EPOCH + self.now);
        self.session.decide(self.policy, &attempt, self.budget.as_ref(), clock, &mut self.rng)
    }

    /// Checks the decision, and obeys it if it is to wait.
    #[track_caller]
    fn expect(&mut self, outcome: &CaseOutcome, expected: Decision) {
        assert_eq!(self.decide(outcome), expected, "{outcome:?} on attempt {}", self.session.number());
        if let Decision::Wait(delay) = expected {
            self.now += delay;
            self.session.resend();
        }
    }
}

#[track_caller]
fn check(policy: &dyn Policy, session: Session, timeline: &[(CaseOutcome, Decision)]) -> Session {
    let mut retry_loop = RetryLoop::new(policy, session);
    for (outcome, expected) in timeline {
        retry_loop.expect(outcome, *expected);
    }
    retry_loop.session
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn wait(millis: u64) -> Decision {
    Decision::Wait(ms(millis))
}

/// The shortest and the longest of many first delays.
fn delays(policy: &dyn Policy, outcome: &CaseOutcome) -> (Duration, Duration) {
    let delays: BTreeSet<_> = (0..2_000)
        .map(|seed| {
            let mut retry_loop = RetryLoop::new(policy, Session::new());
            retry_loop.rng = SmallRng::seed_from_u64(seed);
            match retry_loop.decide(outcome) {
                Decision::Wait(delay) => delay,
                other => panic!("{other:?}"),
            }
        })
        .collect();
    (*delays.first().unwrap(), *delays.last().unwrap())
}

/// A request may offer another version of HTTP and still be sent again, but not once the server has taken the offer.
#[test]
fn a_switch_of_protocols_ends_the_session_with_every_policy() {
    let policy = FixedDelay::new(ms(70)).classify_with(|_| Verdict::Retry(RetryCause::Transient));
    check(&policy, Session::new(), &[(Status(101), Decision::Accept)]);
    check(&policy, Session::new(), &[(Status(200), wait(70)), (Status(101), Decision::Accept)]);
}

#[test]
fn an_upgrade_is_sent_again_only_if_it_was_never_sent() {
    let request = Request::get("/").header("connection", "upgrade").header("upgrade", "websocket");
    let request = request.body(()).unwrap();
    for (kind, expected) in [
        (FailureKind::NeverSent, wait(10)),
        (FailureKind::Unprocessed, Decision::Accept),
        (FailureKind::Timeout, Decision::Accept),
        (FailureKind::MaybeProcessed, Decision::Accept),
    ] {
        let policy = FixedDelay::new(ms(10)).classify_with(move |_| {
            Verdict::Retry(match kind {
                FailureKind::NeverSent => RetryCause::NeverSent,
                FailureKind::Unprocessed => RetryCause::Unprocessed,
                _ => RetryCause::Transient,
            })
        });
        let reading = || ClockReading::new(ms(0), SystemTime::UNIX_EPOCH);
        let attempt = Attempt::new(1, &request, kind);
        let decision =
            Session::new().decide(&policy, &attempt, None, reading, &mut SmallRng::seed_from_u64(1));
        assert_eq!(decision, expected, "{kind:?}");
    }
}

#[test]
fn a_window_before_the_hint_is_moved_to_the_hint_with_its_width() {
    let (first, last) = delays(&ExponentialBackoff::new(ms(100), ms(100)), &Hint(429, 1_000));
    assert!((ms(1_000)..ms(1_001)).contains(&first), "{first:?}");
    assert!((ms(1_099)..=ms(1_100)).contains(&last), "{last:?}");
}

#[test]
fn a_window_after_the_hint_stays() {
    check(&FixedDelay::new(ms(70)), Session::new(), &[(Hint(503, 20), wait(70))]);
}

#[test]
fn a_window_around_the_hint_is_moved_too() {
    let (first, last) = delays(&policy_fn(|_| Window::between(ms(50), ms(150))), &Hint(429, 100));
    assert!((ms(100)..ms(101)).contains(&first), "{first:?}");
    assert!((ms(199)..=ms(200)).contains(&last), "{last:?}");
}

#[test]
fn a_hint_counts_on_every_retryable_status() {
    for status in [408, 413, 425, 429, 500, 502, 503, 504, 529] {
        check(&FixedDelay::new(ms(0)), Session::new(), &[(Hint(status, 300), wait(300))]);
    }
}

#[test]
fn ignored_hints_are_hidden_from_the_policy() {
    let policy = policy_fn(|context| {
        assert_eq!((context.hint, context.hint_header), (None, None));
        Window::exactly(ms(7))
    });
    let session = Session::new().ignore_hints();
    let session = check(&policy, session, &[(Hint(429, 60_000), wait(7))]);
    assert_eq!(session.hint(), None);
}

#[test]
fn a_hint_of_never_ends_the_session_with_every_policy() {
    let (request, response) = (Request::new(()), Response::new(()));
    let attempt = Attempt::new(1, &request, ResponseHead::from(&response));
    let context = RetryContext::new(attempt, RetryCause::Unprocessed).hint(RetryHint::Never);
    let planned = Session::new().schedule(&FixedDelay::new(ms(1)), &context);
    assert_eq!(planned, Err(GiveUpReason::ServerSaidNo));
}

#[test]
fn steps_count_from_the_last_wait_that_the_server_named() {
    let seen = Mutex::new(Vec::new());
    let policy = policy_fn(|context| {
        seen.lock()
            .unwrap()
            .push((context.backoff_step, context.previous_delay.map(|delay| delay.as_millis())));
        Window::exactly(ms(10) * (context.backoff_step + 1))
    });
    let timeline = [
        (Status(503), wait(10)),
        (Failure(FailureKind::NeverSent), wait(20)),
        (Hint(429, 1_000), wait(1_000)),
        (Hint(429, 1_000), wait(1_000)),
        (Status(503), wait(10)),
        (UNPROCESSED, wait(0)),
        (Status(503), wait(20)),
    ];
    check(&policy, Session::new().max_attempts(9), &timeline);
    let expected = [
        (0, None),
        (1, Some(10)),
        (2, Some(20)),
        // Only delays that the policy scheduled count as its previous ones.
        (0, Some(20)),
        (0, Some(20)),
        (1, Some(10)),
        (1, Some(10)),
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[test]
fn all_attempts_but_the_immediate_resend_count() {
    let seen = Mutex::new(Vec::new());
    let policy = policy_fn(|context| {
        seen.lock().unwrap().push((context.attempt.number, context.attempts_used));
        Window::exactly(ms(10))
    });
    let timeline = [
        (Failure(FailureKind::NeverSent), wait(10)),
        (Hint(429, 1_000), wait(1_000)),
        (UNPROCESSED, wait(0)),
        (UNPROCESSED, wait(10)),
        (Status(503), wait(10)),
    ];
    check(&policy, Session::new().max_attempts(9), &timeline);
    assert_eq!(*seen.lock().unwrap(), [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4)]);
}

#[test]
fn what_was_never_sent_and_goes_out_again_at_once_leaves_the_backoff_where_it_is() {
    let backoff = ExponentialBackoff::new(ms(10), ms(1_000)).jitter(crate::Jitter::None);
    let policy = policy_fn(move |context| match context.cause {
        RetryCause::NeverSent if context.attempt.number < 3 => Window::exactly(ms(0)).into(),
        _ => backoff.schedule(context),
    });
    let never_sent = || Failure(FailureKind::NeverSent);
    let timeline =
        [(never_sent(), wait(0)), (never_sent(), wait(0)), (never_sent(), wait(10)), (Status(503), wait(20))];
    check(&policy, Session::new().max_attempts(9), &timeline);
}

#[test]
fn decorrelated_jitter_grows_from_its_own_last_delay() {
    let policy = RetryAfterFirst::new(DecorrelatedJitter::new(ms(10), ms(10_000)));
    let mut retry_loop = RetryLoop::new(&policy, Session::new().max_attempts(20));
    let mut previous = ms(10);
    for outcome in [Status(503), Hint(429, 5_000), Status(503), Status(503), Status(503)] {
        let Decision::Wait(delay) = retry_loop.decide(&outcome) else { panic!() };
        if let Status(_) = outcome {
            assert!((ms(10)..=previous * 3).contains(&delay), "{delay:?} after {previous:?}");
            previous = delay;
        }
        retry_loop.session.resend();
    }
}

#[test]
fn the_policy_sees_the_state_of_the_session() {
    let policy = policy_fn(|context| {
        assert_eq!(context.elapsed, ms(400));
        assert_eq!(context.remaining, Some(ms(600)));
        assert_eq!(context.now, SystemTime::UNIX_EPOCH + ms(1_400));
        assert_eq!((context.cause, context.hint), (RetryCause::Throttled, Some(RetryHint::After(ms(3)))));
        assert_eq!(context.hint_header, Some("retry-after-ms"));
        Plan::GiveUp(GiveUpReason::Policy)
    });
    let mut retry_loop = RetryLoop::new(&policy, Session::new().max_elapsed(ms(1_000)).started(ms(1_000)));
    retry_loop.now = ms(1_400);
    retry_loop.expect(&Hint(429, 3), Decision::GiveUp(GiveUpReason::Policy));
    assert_eq!(retry_loop.session.gives_up_at(), Some(ms(2_000)));
    assert_eq!(retry_loop.session.cause(), Some(RetryCause::Throttled));
    assert_eq!(retry_loop.session.hint(), Some(RetryHint::After(ms(3))));
    assert_eq!(retry_loop.session.hint_header(), Some("retry-after-ms"));
}

#[test]
fn without_a_start_the_session_begins_with_the_first_retryable_outcome() {
    let policy = FixedDelay::new(ms(10));
    let mut retry_loop = RetryLoop::new(&policy, Session::new().max_elapsed(ms(100)));
    retry_loop.now = ms(5_000);
    assert_eq!(retry_loop.session.gives_up_at(), None);
    retry_loop.expect(&Status(503), wait(10));
    assert_eq!(retry_loop.session.gives_up_at(), Some(ms(5_100)));
}

#[test]
fn every_resend_is_counted_and_every_wait_added_up() {
    let timeline = [(UNPROCESSED, wait(0)), (Status(503), wait(30)), (Hint(429, 50), wait(50))];
    let mut session = check(&FixedDelay::new(ms(30)), Session::new().max_attempts(4), &timeline);
    assert_eq!(session.number(), 4);
    assert_eq!(session.waited(), ms(80));
    assert_eq!(session.resend(), 4, "nothing was admitted");
    assert_eq!(session.waited(), ms(80));
}

#[test]
fn a_resend_that_is_abandoned_is_neither_counted_nor_waited_for() {
    let policy = FixedDelay::new(ms(30));
    let mut retry_loop = RetryLoop::new(&policy, Session::new());
    assert_eq!(retry_loop.decide(&Status(503)), wait(30));
    retry_loop.session.abandon();
    assert_eq!((retry_loop.session.resend(), retry_loop.session.waited()), (1, Duration::ZERO));
}

#[test]
fn an_accepted_outcome_reads_no_clock_and_draws_no_number() {
    let (request, mut rng) = (Request::new(()), SmallRng::seed_from_u64(1));
    for status in [200, 304, 400, 404, 501] {
        let response = Response::builder().status(status).body(()).unwrap();
        let attempt = Attempt::new(1, &request, ResponseHead::from(&response));
        let clock = || panic!("the clock was read");
        let mut session = Session::new();
        let decision =
            session.decide(&RetryAfterFirst::default(), &attempt, Some(&Budget::default()), clock, &mut rng);
        assert_eq!(decision, Decision::Accept, "{status}");
        assert_eq!((session.cause(), session.gives_up_at()), (None, None));
    }
    assert_eq!(rng, SmallRng::seed_from_u64(1));
}

#[test]
fn sessions_that_share_a_generator_do_not_share_their_delays() {
    let (policy, request) = (RetryAfterFirst::default(), Request::new(()));
    let mut rng = SmallRng::seed_from_u64(1);
    for retry_after in [None, Some("1")] {
        let mut response = Response::builder().status(429);
        if let Some(seconds) = retry_after {
            response = response.header("retry-after", seconds);
        }
        let response = response.body(()).unwrap();
        let attempt = Attempt::new(1, &request, ResponseHead::from(&response));
        let delays = (0..1_000).map(|_| {
            let clock = || ClockReading::new(Duration::ZERO, SystemTime::UNIX_EPOCH);
            match Session::new().decide(&policy, &attempt, None, clock, &mut rng) {
                Decision::Wait(delay) => delay,
                other => panic!("{other:?}"),
            }
        });
        let distinct = delays.collect::<BTreeSet<_>>().len();
        assert!(distinct >= 990, "{distinct} with {retry_after:?}");
    }
}

#[test]
fn a_hint_of_zero_leaves_the_time_to_the_policy_and_its_backoff_grows() {
    let policy = ExponentialBackoff::new(ms(100), ms(10_000)).jitter(crate::Jitter::None);
    let now = || Hint(503, 0);
    let timeline = [(now(), wait(100)), (now(), wait(200)), (now(), wait(400)), (now(), wait(800))];
    check(&policy, Session::new().max_attempts(9), &timeline);
}

#[test]
fn a_time_that_does_not_count_moves_the_end() {
    let second = Duration::from_secs(1);
    let mut session = Session::new().max_elapsed(second * 2);
    let request = Request::put("/").body(()).unwrap();
    let response = Response::builder().status(503).body(()).unwrap();
    let mut decide = |at: u32, paused: u32| {
        let attempt = Attempt::new(session.number(), &request, Outcome::from(ResponseHead::from(&response)));
        let reading =
            || ClockReading::new(second * at, SystemTime::UNIX_EPOCH).started(second).paused(second * paused);
        let policy = FixedDelay::new(ms(70));
        let decision = session.decide(&policy, &attempt, None, reading, &mut SmallRng::seed_from_u64(1));
        session.resend();
        (decision, session.gives_up_at().unwrap().as_secs())
    };
    // The upload took 8 of the 9 seconds.
    assert_eq!(decide(10, 8), (wait(70), 11));
    assert_eq!(decide(20, 8), (Decision::GiveUp(GiveUpReason::MaxElapsed), 11));
}
