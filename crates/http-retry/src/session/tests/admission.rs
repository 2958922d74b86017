//! Tests of the admission of resends and of its cost.

use super::*;

const GONE: Decision = Decision::GiveUp(GiveUpReason::MaxAttempts);

#[test]
fn max_attempts_counts_the_first_attempt() {
    let policy = FixedDelay::new(ms(5));
    for (attempts, timeline) in [
        (0, &[(Status(503), GONE)][..]),
        (1, &[(Status(503), GONE)]),
        (2, &[(Status(503), wait(5)), (Status(503), GONE)]),
        (3, &[(Status(503), wait(5)), (Hint(429, 9), wait(9)), (Failure(FailureKind::NeverSent), GONE)]),
    ] {
        let session = check(&policy, Session::new().max_attempts(attempts), timeline);
        assert_eq!(session.number(), attempts.max(1));
    }
}

#[test]
fn one_unprocessed_request_is_sent_again_at_once_and_uncounted() {
    let policy = FixedDelay::new(ms(5));
    for (attempts, timeline, sends) in [
        (
            3,
            &[(UNPROCESSED, wait(0)), (UNPROCESSED, wait(5)), (UNPROCESSED, wait(5)), (UNPROCESSED, GONE)][..],
            4,
        ),
        (2, &[(UNPROCESSED, wait(0)), (Status(503), wait(5)), (Status(503), GONE)], 3),
        // It is sent after the last counted attempt too.
        (2, &[(Status(503), wait(5)), (UNPROCESSED, wait(0)), (UNPROCESSED, GONE)], 3),
        // A resend is not early data, so a 425 to it is final (RFC 8470 section 5.2).
        (2, &[(Status(425), wait(0)), (Status(425), Decision::Accept)], 2),
        // The server's hint outranks the protocol, and its resend counts.
        (2, &[(Hint(425, 40), wait(40)), (UNPROCESSED, wait(0)), (Status(503), GONE)], 3),
        // A limit of one attempt excludes it.
        (1, &[(UNPROCESSED, GONE)], 1),
        (0, &[(UNPROCESSED, GONE)], 1),
    ] {
        let session = check(&policy, Session::new().max_attempts(attempts), timeline);
        assert_eq!(session.number(), sends, "{attempts} {timeline:?}");
    }
}

#[test]
fn a_policy_that_gives_up_prevents_the_immediate_resend() {
    for reason in [GiveUpReason::Policy, GiveUpReason::HintTooLong] {
        let policy = policy_fn(move |_| Plan::GiveUp(reason));
        check(&policy, Session::new(), &[(UNPROCESSED, Decision::GiveUp(reason))]);
    }
}

#[test]
fn the_cheapest_check_comes_first_and_a_resend_that_cannot_be_sent_costs_nothing() {
    use BodyState::{Failed, Replayable, TooLarge};
    let policy = FixedDelay::new(ms(500));
    for (attempts, body, max_elapsed, tokens, expected) in [
        (1, TooLarge, 100, 0, Err(GiveUpReason::MaxAttempts)),
        (1, Replayable, 100, 0, Err(GiveUpReason::MaxAttempts)),
        (1, Replayable, 900, 9, Err(GiveUpReason::MaxAttempts)),
        (2, TooLarge, 100, 0, Err(GiveUpReason::Body)),
        (2, Failed, 100, 9, Err(GiveUpReason::Body)),
        (2, TooLarge, 900, 9, Err(GiveUpReason::Body)),
        (2, Failed, 900, 9, Err(GiveUpReason::Body)),
        (2, Replayable, 100, 0, Err(GiveUpReason::MaxElapsed)),
        (2, Replayable, 499, 9, Err(GiveUpReason::MaxElapsed)),
        (2, Replayable, 900, 0, Err(GiveUpReason::Budget)),
        (2, Replayable, 500, 9, Ok(())),
    ] {
        let mut retry_loop =
            RetryLoop::new(&policy, Session::new().max_attempts(attempts).max_elapsed(ms(max_elapsed)));
        let budget = Budget::percent(0).min_per_second(0).capacity(tokens);
        (retry_loop.body, retry_loop.budget) = (body, Some(budget.clone()));
        let expected_decision = expected.map_or_else(Decision::GiveUp, |()| wait(500));
        assert_eq!(
            retry_loop.decide(&Status(503)),
            expected_decision,
            "{attempts} {body:?} {max_elapsed} {tokens}"
        );
        let withdrawn = if expected.is_ok() { 1.0 } else { 0.0 };
        assert_eq!(budget.tokens(), f64::from(tokens) - withdrawn, "{expected:?}");
    }
}

/// A refused probe of a pace does not count, eight times at most.
#[test]
fn attempts_that_are_left_uncounted_do_not_count() {
    let policy = FixedDelay::new(ms(5));
    for (uncounted, sends) in [(0, 2), (1, 3), (8, 10), (9, 10), (100, 10)] {
        let mut retry_loop = RetryLoop::new(&policy, Session::new().max_attempts(2));
        let mut left = uncounted;
        let decision = loop {
            if left > 0 {
                left -= 1;
                retry_loop.session.leave_uncounted();
            }
            match retry_loop.decide(&Status(503)) {
                Decision::Wait(_) => retry_loop.session.resend(),
                decision => break decision,
            };
        };
        assert_eq!((decision, retry_loop.session.number()), (GONE, sends), "{uncounted} uncounted");
        assert_eq!(retry_loop.session.uncounted(), uncounted.min(8));
    }
}

#[test]
fn a_resend_whose_cost_is_waived_costs_nothing() {
    let policy = FixedDelay::new(ms(5));
    let mut retry_loop = RetryLoop::new(&policy, Session::new());
    let budget = Budget::percent(0).min_per_second(0).capacity(5);
    retry_loop.budget = Some(budget.clone());
    retry_loop.session.waive_cost();
    assert_eq!((retry_loop.decide(&Status(503)), budget.tokens()), (wait(5), 4.0));
    retry_loop.session.waive_cost();
    assert_eq!(budget.tokens(), 5.0);
    assert_eq!((retry_loop.session.resend(), budget.tokens()), (2, 5.0));
}

#[test]
fn a_delay_beyond_max_elapsed_gives_up_at_once() {
    let policy = RetryAfterFirst::new(FixedDelay::new(ms(400))).spread(0.0);
    let late = Decision::GiveUp(GiveUpReason::MaxElapsed);
    for (outcome, elapsed, expected) in [
        (Status(503), 0, wait(400)),
        (Status(503), 600, wait(400)),
        (Status(503), 601, late),
        (Hint(503, 1_000), 0, wait(1_000)),
        (Hint(503, 1_001), 0, late),
        (Hint(503, 1_000), 1, late),
        (Hint(503, 60_000), 0, late),
        (UNPROCESSED, 999, wait(0)),
        (Status(503), 5_000, late),
    ] {
        let mut retry_loop =
            RetryLoop::new(&policy, Session::new().max_elapsed(ms(1_000)).started(Duration::ZERO));
        retry_loop.now = ms(elapsed);
        retry_loop.expect(&outcome, expected);
    }
    check(&policy, Session::new().max_elapsed(None), &[(Hint(503, 100_000), wait(100_000))]);
}

#[test]
fn the_spread_above_a_hint_is_narrowed_to_the_remaining_time() {
    let policy = RetryAfterFirst::default();
    // A hint of 10 s spreads over 5 s, and `max_elapsed` leaves 1 ms of that.
    for seed in 0..100 {
        let mut retry_loop = RetryLoop::new(&policy, Session::new().max_elapsed(ms(10_001)));
        retry_loop.rng = SmallRng::seed_from_u64(seed);
        let Decision::Wait(delay) = retry_loop.decide(&Hint(429, 10_000)) else { panic!("gave up") };
        assert!((ms(10_000)..=ms(10_001)).contains(&delay), "{delay:?}");
    }
}

#[test]
fn the_budget_counts_a_success_on_the_last_attempt() {
    let policy = FixedDelay::new(ms(0));
    for (last, earned) in
        [(Status(200), 0.5), (Status(304), 0.5), (Status(404), 0.0), (Failure(FailureKind::Permanent), 0.0)]
    {
        let mut retry_loop = RetryLoop::new(&policy, Session::new().max_attempts(2));
        let budget = Budget::percent(50).min_per_second(0).capacity(5);
        retry_loop.budget = Some(budget.clone());
        retry_loop.expect(&Status(500), wait(0));
        retry_loop.expect(&last, Decision::Accept);
        assert_eq!(budget.tokens(), 4.0 + earned, "{last:?}");
    }
}

#[test]
fn a_failed_attempt_earns_nothing() {
    let policy = FixedDelay::new(ms(0)).classify_with(|_| Verdict::Retry(RetryCause::Transient));
    let mut retry_loop = RetryLoop::new(&policy, Session::new().max_attempts(2));
    let budget = Budget::percent(100).min_per_second(0).capacity(5);
    retry_loop.budget = Some(budget.clone());
    retry_loop.expect(&Status(200), wait(0));
    retry_loop.expect(&Status(200), GONE);
    assert_eq!(budget.tokens(), 4.0);
}

#[test]
fn a_token_is_spent_when_the_resend_is_sent_and_not_before() {
    let policy = FixedDelay::new(ms(0));
    let budget = Budget::percent(0).min_per_second(0).capacity(5);
    let ends: [(fn(Session), f64); 4] = [
        (drop, 5.0),
        (|mut session| session.abandon(), 5.0),
        (|mut session| assert_eq!(session.resend(), 2), 4.0),
        (|mut session| assert_eq!((session.resend(), session.resend()), (2, 2)), 3.0),
    ];
    for (case, (end, expected)) in ends.into_iter().enumerate() {
        let mut retry_loop = RetryLoop::new(&policy, Session::new());
        retry_loop.budget = Some(budget.clone());
        let before = budget.tokens();
        assert_eq!(retry_loop.decide(&Status(500)), wait(0));
        assert_eq!(budget.tokens(), before - 1.0, "withdrawn");
        end(retry_loop.session);
        assert_eq!(budget.tokens(), expected, "case {case}");
    }
}

#[test]
fn deciding_again_without_a_resend_pays_once() {
    let policy = FixedDelay::new(ms(0));
    let mut retry_loop = RetryLoop::new(&policy, Session::new());
    let budget = Budget::percent(0).min_per_second(0).capacity(1);
    retry_loop.budget = Some(budget.clone());
    for _ in 0..3 {
        assert_eq!(retry_loop.decide(&Status(500)), wait(0));
    }
    assert_eq!(retry_loop.decide(&Status(404)), Decision::Accept);
    assert_eq!(budget.tokens(), 1.0);
}

#[test]
fn the_cost_of_a_resend_depends_on_its_cause_and_its_number() {
    const NEVER_SENT: CaseOutcome = Failure(FailureKind::NeverSent);
    let policy = FixedDelay::new(ms(0));
    for (outcomes, expected) in [
        (&[NEVER_SENT, NEVER_SENT][..], 0),
        (&[Status(500), NEVER_SENT], 1_000),
        (&[UNPROCESSED, UNPROCESSED], 250 + 1_000),
        (&[Status(500), UNPROCESSED], 1_000 + 1_000),
        (&[Status(429), Hint(429, 1)], 250 + 250),
        (&[Status(503), Status(529)], 1_000 + 1_000),
        (&[Hint(429, 1), Hint(503, 1)], 250 + 250),
        (&[Hint(500, 1), Failure(FailureKind::MaybeProcessed)], 1_000 + 1_000),
        (&[Failure(FailureKind::Timeout)], 2_000),
    ] {
        let mut retry_loop = RetryLoop::new(&policy, Session::new().max_attempts(5));
        let budget = Budget::percent(0).min_per_second(0).capacity(10);
        retry_loop.budget = Some(budget.clone());
        for outcome in outcomes {
            assert!(matches!(retry_loop.decide(outcome), Decision::Wait(_)), "{outcome:?}");
            retry_loop.session.resend();
        }
        assert_eq!(10_000.0 - budget.tokens() * 1_000.0, f64::from(expected), "{outcomes:?}");
    }
}

#[test]
fn an_empty_budget_pays_for_what_was_never_sent() {
    let policy = FixedDelay::new(ms(0));
    let mut retry_loop = RetryLoop::new(&policy, Session::new().max_attempts(3));
    let budget = Budget::percent(0).min_per_second(0).capacity(1);
    budget.withdraw(crate::RetryCost::ONE, Duration::ZERO).unwrap().commit();
    retry_loop.budget = Some(budget);
    for _ in 0..2 {
        retry_loop.expect(&Failure(FailureKind::NeverSent), wait(0));
        retry_loop.session.resend();
    }
    retry_loop.expect(&Failure(FailureKind::NeverSent), Decision::GiveUp(GiveUpReason::MaxAttempts));
}

#[test]
fn a_transparent_resend_does_not_count_as_a_retry() {
    const NEVER_SENT: CaseOutcome = Failure(FailureKind::NeverSent);
    let policy = FixedDelay::new(ms(0));
    for (outcomes, expected) in [
        (&[Status(500), Status(503)][..], &[1, 2][..]),
        (&[UNPROCESSED, UNPROCESSED, Status(503)], &[0, 1, 2]),
        (&[Status(503), UNPROCESSED, Hint(503, 1)], &[1, 1, 2]),
        (&[NEVER_SENT, NEVER_SENT, UNPROCESSED, UNPROCESSED], &[0, 0, 0, 1]),
    ] {
        let mut retry_loop = RetryLoop::new(&policy, Session::new().max_attempts(5));
        assert_eq!(retry_loop.session.retries(), 0);
        for (outcome, expected) in outcomes.iter().zip(expected) {
            assert!(matches!(retry_loop.decide(outcome), Decision::Wait(_)), "{outcome:?}");
            assert_eq!(retry_loop.session.retries(), *expected, "{outcome:?} of {outcomes:?}");
            retry_loop.session.resend();
            assert_eq!(retry_loop.session.retries(), *expected, "{outcome:?} of {outcomes:?}");
        }
        let retries = retry_loop.session.retries();
        let _ = retry_loop.decide(&Status(503));
        retry_loop.session.abandon();
        assert_eq!(retry_loop.session.retries(), retries, "{outcomes:?}");
    }
}

#[test]
fn the_minimum_of_the_budget_accrues_by_the_sessions_clock() {
    let policy = FixedDelay::new(ms(0));
    let mut retry_loop = RetryLoop::new(&policy, Session::new().max_attempts(9));
    retry_loop.budget = Some(Budget::percent(0).min_per_second(1).capacity(1));
    retry_loop.expect(&Status(500), wait(0));
    retry_loop.expect(&Status(500), Decision::GiveUp(GiveUpReason::Budget));
    retry_loop.now = ms(1_000);
    retry_loop.expect(&Status(500), wait(0));
}

#[test]
fn nothing_is_sent_after_max_elapsed_not_even_at_once() {
    let policy = RetryAfterFirst::default();
    for outcome in [UNPROCESSED, Status(425), Hint(429, 0), Hint(503, 0)] {
        let mut retry_loop =
            RetryLoop::new(&policy, Session::new().max_elapsed(ms(1_000)).started(Duration::ZERO));
        retry_loop.now = ms(1_001);
        retry_loop.expect(&outcome, Decision::GiveUp(GiveUpReason::MaxElapsed));
    }
}

#[test]
fn an_outcome_that_only_the_request_prevents_from_a_retry_has_a_reason() {
    const NOT_IDEMPOTENT: Decision = Decision::GiveUp(GiveUpReason::NotIdempotent);
    let keyed = [("idempotency-key", "k1")];
    let none = [].as_slice();
    for (method, headers, outcome, expected) in [
        ("POST", none, Status(503), NOT_IDEMPOTENT),
        ("POST", none, Status(500), NOT_IDEMPOTENT),
        ("PATCH", none, Failure(FailureKind::MaybeProcessed), NOT_IDEMPOTENT),
        ("POST", none, Failure(FailureKind::Timeout), NOT_IDEMPOTENT),
        ("POST", &keyed, Status(503), wait(5)),
        ("GET", none, Status(503), wait(5)),
        // No request would make these worth a retry.
        ("POST", none, Status(404), Decision::Accept),
        ("POST", none, Status(200), Decision::Accept),
        ("POST", none, Failure(FailureKind::Permanent), Decision::Accept),
        ("POST", none, Failure(FailureKind::Overloaded), Decision::Accept),
        ("GET", none, Status(404), Decision::Accept),
    ] {
        let mut request = Request::builder().method(method);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        let mut response = Response::new(());
        let outcome: Outcome<'_> = match outcome {
            Failure(kind) => kind.into(),
            Status(status) => {
                *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
                ResponseHead::from(&response).into()
            }
            Hint(..) | Pushback(_) => unreachable!("no case has one"),
        };
        let attempt = Attempt::new(1, &request, outcome);
        let clock = || ClockReading::new(Duration::ZERO, SystemTime::UNIX_EPOCH);
        let rng = &mut SmallRng::seed_from_u64(1);
        let decision = Session::new().decide(&FixedDelay::new(ms(5)), &attempt, None, clock, rng);
        assert_eq!(decision, expected, "{method} {headers:?} {outcome:?}");
    }
}
