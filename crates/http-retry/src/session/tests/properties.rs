//! What holds for every policy and every server.

use std::fmt::Debug;

use proptest::prelude::*;

use super::*;
use crate::Jitter;

const CAP: Duration = Duration::from_secs(10);

/// A policy that a failing property can show.
trait Shown: Policy + Debug {}

impl<P: Policy + Debug> Shown for P {}

type Drawn = Box<dyn Shown>;

fn duration(longest: Duration) -> impl Strategy<Value = Duration> {
    (0..=u64::try_from(longest.as_nanos()).unwrap()).prop_map(Duration::from_nanos)
}

/// Policies that never plan beyond [`CAP`].
fn capped() -> BoxedStrategy<Drawn> {
    let jitter = prop_oneof![Just(Jitter::None), Just(Jitter::Full), Just(Jitter::Equal)];
    let exponential =
        (duration(CAP * 2), prop::num::f64::ANY, jitter).prop_map(|(base, multiplier, jitter)| {
            Box::new(ExponentialBackoff::new(base, CAP).multiplier(multiplier).jitter(jitter)) as Drawn
        });
    let decorrelated =
        duration(CAP * 2).prop_map(|base| Box::new(DecorrelatedJitter::new(base, CAP)) as Drawn);
    prop_oneof![exponential, decorrelated].boxed()
}

fn any_policy() -> BoxedStrategy<Drawn> {
    let proportional = (duration(CAP), prop::num::f64::ANY).prop_map(|(base, fraction)| {
        let jitter = Jitter::Proportional(fraction);
        Box::new(ExponentialBackoff::new(base, CAP).jitter(jitter)) as Drawn
    });
    let own = (duration(CAP), duration(CAP)).prop_map(|(earliest, latest)| {
        // Inverted ones are among them.
        Box::new(policy_fn(move |_| Window::between(earliest, latest))) as Drawn
    });
    let backoff = prop_oneof![2 => capped(), 1 => proportional, 1 => own].boxed();
    let hinted =
        (backoff.clone(), prop::num::f64::ANY, duration(CAP * 6)).prop_map(|(policy, spread, longest)| {
            Box::new(RetryAfterFirst::new(policy).spread(spread).longest(longest)) as Drawn
        });
    prop_oneof![backoff, hinted].boxed()
}

fn back() -> impl Strategy<Value = Back> {
    let status = prop::sample::select(vec![200, 408, 425, 429, 500, 503]);
    let millis = prop_oneof![Just(0), 0..20_000_u64, Just(u64::MAX)];
    prop_oneof![
        status.clone().prop_map(Status),
        (status, millis).prop_map(|(status, millis)| Hinted(status, millis)),
        Just(REFUSED),
        Just(Failed(FailureKind::NeverSent)),
        Just(Failed(FailureKind::Timeout)),
    ]
}

fn context(step: u32, previous: Option<Duration>, of: impl FnOnce(&RetryContext<'_>)) {
    let (request, response) = (Request::new(()), Response::new(()));
    let attempt = Attempt::new(1, &request, ResponseHead::from(&response));
    of(&RetryContext::new(attempt, RetryCause::Transient).backoff_step(step).previous_delay(previous));
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

    /// The first refused resend is at once and uncounted: sends are at most attempts + 1.
    #[test]
    fn sends_stay_within_the_attempts_and_waits_within_the_deadline(
        policy in any_policy(),
        backs in prop::collection::vec((back(), duration(CAP)), 1..30),
        attempts in 0..8_u32,
        deadline in duration(CAP * 6),
    ) {
        let session = Session::new().max_attempts(attempts).max_elapsed(deadline).started(Duration::ZERO);
        let mut client = Client::new(&policy, session);
        let (mut sends, mut refused) = (1, false);
        for (back, took) in &backs {
            client.now += *took;
            refused |= matches!(back, Failed(FailureKind::Unprocessed) | Status(425) | Hinted(425, 0));
            let Decision::Wait(delay) = client.decide(back) else { break };
            client.now += delay;
            sends += 1;
            prop_assert_eq!(client.session.resend(), sends);
            prop_assert!(sends <= attempts.max(1) + u32::from(refused && attempts > 1));
            prop_assert!(client.now <= deadline);
        }
    }

    #[test]
    fn nothing_is_sent_earlier_than_the_hint(
        policy in any_policy(),
        backs in prop::collection::vec(back(), 1..10),
        deadline in prop::option::of(duration(CAP * 6)),
        seed in any::<u64>(),
    ) {
        let mut client = Client::new(&policy, Session::new().max_attempts(20).max_elapsed(deadline));
        client.rng = SmallRng::seed_from_u64(seed);
        for back in &backs {
            let step = client.decide(back);
            if let (Hinted(_, millis), Decision::Wait(delay)) = (back, step) {
                prop_assert!(delay >= ms(*millis), "{:?}", delay);
            }
            client.session.resend();
        }
    }

    #[test]
    fn no_number_makes_a_session_panic(
        (base, cap, hint) in (any::<Duration>(), any::<Duration>(), any::<Duration>()),
        (multiplier, fraction, spread) in (any::<f64>(), any::<f64>(), any::<f64>()),
        (step, elapsed) in (any::<u32>(), any::<Duration>()),
        deadline in any::<Option<Duration>>(),
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
                    let session = Session::new().max_elapsed(deadline);
                    let context = context.hint(hint).elapsed(elapsed).remaining(deadline);
                    if let Ok((window, kind)) = session.schedule(policy, &context) {
                        let delay = window.draw(&mut SmallRng::seed_from_u64(1));
                        assert!(hint.and_then(RetryHint::delay) <= Some(delay), "{window:?} {kind:?}");
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
            for deadline in [Some(Duration::from_secs(60)), Some(Duration::MAX), None] {
                let attempt = Attempt::new(1, &request, ResponseHead::from(&response));
                let mut session = Session::new().max_elapsed(deadline).started(ms(5));
                let clock = || ClockReading::new(Duration::MAX, SystemTime::UNIX_EPOCH);
                let step = session.decide(policy, &attempt, None, clock, &mut SmallRng::seed_from_u64(1));
                if let Decision::Wait(delay) = step {
                    assert!(
                        deadline.is_none() && delay > Duration::from_secs(200 * 365 * 86_400),
                        "{step:?}"
                    );
                }
                session.resend();
            }
        }
    }
}
