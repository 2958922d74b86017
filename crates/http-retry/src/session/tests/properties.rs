//! Properties that hold for every policy and every server.

use std::fmt::Debug;

use proptest::prelude::*;

use super::*;
use crate::Jitter;

const CAP: Duration = Duration::from_secs(10);

/// A policy that a failing property can print.
trait DebugPolicy: Policy + Debug {}

impl<P: Policy + Debug> DebugPolicy for P {}

type BoxedPolicy = Box<dyn DebugPolicy>;

fn duration(longest: Duration) -> impl Strategy<Value = Duration> {
    (0..=u64::try_from(longest.as_nanos()).unwrap()).prop_map(Duration::from_nanos)
}

/// Policies whose windows never exceed [`CAP`].
fn capped() -> BoxedStrategy<BoxedPolicy> {
    let jitter = prop_oneof![Just(Jitter::None), Just(Jitter::Full), Just(Jitter::Equal)];
    let exponential =
        (duration(CAP * 2), prop::num::f64::ANY, jitter).prop_map(|(base, multiplier, jitter)| {
            Box::new(ExponentialBackoff::new(base, CAP).multiplier(multiplier).jitter(jitter)) as BoxedPolicy
        });
    let decorrelated =
        duration(CAP * 2).prop_map(|base| Box::new(DecorrelatedJitter::new(base, CAP)) as BoxedPolicy);
    prop_oneof![exponential, decorrelated].boxed()
}

fn any_policy() -> BoxedStrategy<BoxedPolicy> {
    let proportional = (duration(CAP), prop::num::f64::ANY).prop_map(|(base, fraction)| {
        let jitter = Jitter::Proportional(fraction);
        Box::new(ExponentialBackoff::new(base, CAP).jitter(jitter)) as BoxedPolicy
    });
    let own = (duration(CAP), duration(CAP)).prop_map(|(earliest, latest)| {
        // Inverted windows are among them.
        Box::new(policy_fn(move |_| Window::between(earliest, latest))) as BoxedPolicy
    });
    let backoff = prop_oneof![2 => capped(), 1 => proportional, 1 => own].boxed();
    let hinted =
        (backoff.clone(), prop::num::f64::ANY, duration(CAP * 6)).prop_map(|(policy, spread, longest)| {
            Box::new(RetryAfterFirst::new(policy).spread(spread).longest(longest)) as BoxedPolicy
        });
    prop_oneof![backoff, hinted].boxed()
}

fn outcome() -> impl Strategy<Value = CaseOutcome> {
    let status = prop::sample::select(vec![200, 408, 425, 429, 500, 503]);
    let millis = prop_oneof![Just(0), 0..20_000_u64, Just(u64::MAX)];
    prop_oneof![
        status.clone().prop_map(Status),
        (status, millis).prop_map(|(status, millis)| Hint(status, millis)),
        Just(UNPROCESSED),
        Just(Failure(FailureKind::NeverSent)),
        Just(Failure(FailureKind::Timeout)),
    ]
}

fn context(step: u32, previous: Option<Duration>, check: impl FnOnce(&RetryContext<'_>)) {
    let (request, response) = (Request::new(()), Response::new(()));
    let attempt = Attempt::new(1, &request, ResponseHead::from(&response));
    check(&RetryContext::new(attempt, RetryCause::Transient).backoff_step(step).previous_delay(previous));
}

proptest! {
    #[test]
    fn windows_are_ordered_and_under_the_cap(
        policy in capped(),
        step in prop_oneof![0..64_u32, any::<u32>()],
        previous in prop::option::of(duration(CAP * 10)),
    ) {
        context(step, previous, |context| {
            let Plan::Resend(window) = policy.schedule(context) else { panic!("gave up") };
            assert!(window.earliest <= window.latest && window.latest <= CAP, "{window:?}");
        });
    }

    /// The first resend of an unprocessed request does not count, so a session sends at most `max_attempts + 1` times.
    #[test]
    fn a_session_stays_within_max_attempts_and_max_elapsed(
        policy in any_policy(),
        outcomes in prop::collection::vec((outcome(), duration(CAP)), 1..30),
        attempts in 0..8_u32,
        max_elapsed in duration(CAP * 6),
    ) {
        let session = Session::new().max_attempts(attempts).max_elapsed(max_elapsed).started(Duration::ZERO);
        let mut retry_loop = RetryLoop::new(&policy, session);
        let (mut sends, mut unprocessed) = (1, false);
        for (outcome, took) in &outcomes {
            retry_loop.now += *took;
            unprocessed |= matches!(outcome, Failure(FailureKind::Unprocessed) | Status(425) | Hint(425, 0));
            let Decision::Wait(delay) = retry_loop.decide(outcome) else { break };
            retry_loop.now += delay;
            sends += 1;
            prop_assert_eq!(retry_loop.session.resend(), sends);
            prop_assert!(sends <= attempts.max(1) + u32::from(unprocessed && attempts > 1));
            prop_assert!(retry_loop.now <= max_elapsed);
        }
    }

    #[test]
    fn nothing_is_sent_earlier_than_the_hint(
        policy in any_policy(),
        outcomes in prop::collection::vec(outcome(), 1..10),
        max_elapsed in prop::option::of(duration(CAP * 6)),
        seed in any::<u64>(),
    ) {
        let mut retry_loop = RetryLoop::new(&policy, Session::new().max_attempts(20).max_elapsed(max_elapsed));
        retry_loop.rng = SmallRng::seed_from_u64(seed);
        for outcome in &outcomes {
            let decision = retry_loop.decide(outcome);
            if let (Hint(_, millis), Decision::Wait(delay)) = (outcome, decision) {
                prop_assert!(delay >= ms(*millis), "{:?}", delay);
            }
            retry_loop.session.resend();
        }
    }

    #[test]
    fn no_number_makes_a_session_panic(
        (base, cap, hint) in (any::<Duration>(), any::<Duration>(), any::<Duration>()),
        (multiplier, fraction, spread) in (any::<f64>(), any::<f64>(), any::<f64>()),
        (step, elapsed) in (any::<u32>(), any::<Duration>()),
        max_elapsed in any::<Option<Duration>>(),
    ) {
        let exponential = ExponentialBackoff::new(base, cap).multiplier(multiplier);
        let policies: [Box<dyn Policy>; 5] = [
            Box::new(exponential.jitter(Jitter::Proportional(fraction))),
            Box::new(exponential.jitter(Jitter::Equal)),
            Box::new(DecorrelatedJitter::new(base, cap)),
            Box::new(RetryAfterFirst::new(exponential).spread(spread).longest(Duration::MAX)),
            Box::new(FixedDelay::new(base)),
        ];
        for policy in &policies {
            for hint in [None, Some(RetryHint::After(hint))] {
                context(step, Some(base), |context| {
                    let session = Session::new().max_elapsed(max_elapsed);
                    let context = context.hint(hint).elapsed(elapsed).remaining(max_elapsed);
                    if let Ok((window, source)) = session.schedule(policy, &context) {
                        let delay = window.draw(&mut SmallRng::seed_from_u64(1));
                        assert!(hint.and_then(RetryHint::delay) <= Some(delay), "{window:?} {source:?}");
                    }
                });
            }
        }
    }
}

#[test]
fn enormous_hints_give_up_or_wait_but_never_panic() {
    let longest = RetryAfterFirst::default().longest(Duration::MAX);
    let policies: [&dyn Policy; 4] = [
        &RetryAfterFirst::default(),
        &longest,
        &ExponentialBackoff::default(),
        &FixedDelay::new(Duration::MAX),
    ];
    let request = Request::new(());
    for policy in policies {
        for (name, value) in [
            ("retry-after", "18446744073709551615"),
            ("retry-after", "99999999999999999999999999"),
            ("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT"),
            ("retry-after-ms", "18446744073709551615"),
        ] {
            let response = Response::builder().status(429).header(name, value).body(()).unwrap();
            for max_elapsed in [Some(Duration::from_secs(60)), Some(Duration::MAX), None] {
                let attempt = Attempt::new(1, &request, ResponseHead::from(&response));
                let mut session = Session::new().max_elapsed(max_elapsed).started(ms(5));
                let clock = || ClockReading::new(Duration::MAX, SystemTime::UNIX_EPOCH);
                let decision = session.decide(policy, &attempt, None, clock, &mut SmallRng::seed_from_u64(1));
                if let Decision::Wait(delay) = decision {
                    assert!(
                        max_elapsed.is_none() && delay > Duration::from_secs(200 * 365 * 86_400),
                        "{decision:?}"
                    );
                }
                session.resend();
            }
        }
    }
}
