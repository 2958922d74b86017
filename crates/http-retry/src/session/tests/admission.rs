//! What is admitted, and what that costs.

use super::*;

const GONE: Decision = Decision::GiveUp(GiveUpReason::MaxAttempts);

#[test]
fn attempts_count_the_original() {
    let policy = FixedDelay::new(ms(5));
    for (attempts, timeline) in [
        (0, &[(Status(503), GONE)][..]),
        (1, &[(Status(503), GONE)]),
        (2, &[(Status(503), wait(5)), (Status(503), GONE)]),
        (3, &[(Status(503), wait(5)), (Hinted(429, 9), wait(9)), (Failed(FailureKind::NeverSent), GONE)]),
    ] {
        let session = check(&policy, Session::new().max_attempts(attempts), timeline);
        assert_eq!(session.number(), attempts.max(1));
    }
}

#[test]
fn one_refused_resend_goes_out_at_once_and_uncounted() {
    let policy = FixedDelay::new(ms(5));
    for (attempts, timeline, sends) in [
        (3, &[(REFUSED, wait(0)), (REFUSED, wait(5)), (REFUSED, wait(5)), (REFUSED, GONE)][..], 4),
        (2, &[(REFUSED, wait(0)), (Status(503), wait(5)), (Status(503), GONE)], 3),
        // After the last that counts, too.
        (2, &[(Status(503), wait(5)), (REFUSED, wait(0)), (REFUSED, GONE)], 3),
        // RFC 8470 section 5.2. A 425 to a resend, which is no early data, is an answer.
        (2, &[(Status(425), wait(0)), (Status(425), Decision::Accept)], 2),
        // The server's time outranks the protocol's, and is counted.
        (2, &[(Hinted(425, 40), wait(40)), (REFUSED, wait(0)), (Status(503), GONE)], 3),
        // One attempt means one.
        (1, &[(REFUSED, GONE)], 1),
        (0, &[(REFUSED, GONE)], 1),
    ] {
        let session = check(&policy, Session::new().max_attempts(attempts), timeline);
        assert_eq!(session.number(), sends, "{attempts} {timeline:?}");
    }
}

#[test]
fn a_policy_that_gives_up_sends_nothing_at_once_either() {
    for reason in [GiveUpReason::Policy, GiveUpReason::HintTooLong] {
        let policy = policy_fn(move |_| Plan::GiveUp(reason));
        check(&policy, Session::new(), &[(REFUSED, Decision::GiveUp(reason))]);
    }
}

#[test]
fn the_cheapest_check_comes_first_and_nothing_is_spent_on_a_resend_that_cannot_happen() {
    use BodyState::{Failed, Replayable, TooLarge};
    let policy = FixedDelay::new(ms(500));
    for (attempts, body, deadline, tokens, expected) in [
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
        let mut client =
            Client::new(&policy, Session::new().max_attempts(attempts).max_elapsed(ms(deadline)));
        let budget = Budget::percent(0).min_per_second(0).capacity(tokens);
        (client.body, client.budget) = (body, Some(budget.clone()));
        let expected_step = expected.map_or_else(Decision::GiveUp, |()| wait(500));
        assert_eq!(client.decide(&Status(503)), expected_step, "{attempts} {body:?} {deadline} {tokens}");
        let withdrawn = if expected.is_ok() { 1.0 } else { 0.0 };
        assert_eq!(budget.tokens(), f64::from(tokens) - withdrawn, "{expected:?}");
    }
}

#[test]
fn a_delay_that_does_not_fit_before_the_deadline_gives_up_now() {
    let policy = RetryAfterFirst::new(FixedDelay::new(ms(400))).spread(0.0);
    let late = Decision::GiveUp(GiveUpReason::MaxElapsed);
    for (back, elapsed, expected) in [
        (Status(503), 0, wait(400)),
        (Status(503), 600, wait(400)),
        (Status(503), 601, late),
        (Hinted(503, 1_000), 0, wait(1_000)),
        (Hinted(503, 1_001), 0, late),
        (Hinted(503, 1_000), 1, late),
        (Hinted(503, 60_000), 0, late),
        (REFUSED, 999, wait(0)),
        (Status(503), 5_000, late),
    ] {
        let mut client = Client::new(&policy, Session::new().max_elapsed(ms(1_000)).started(Duration::ZERO));
        client.now = ms(elapsed);
        client.expect(&back, expected);
    }
    check(&policy, Session::new().max_elapsed(None), &[(Hinted(503, 100_000), wait(100_000))]);
}

#[test]
fn the_spread_above_a_hint_is_narrowed_to_the_deadline() {
    let policy = RetryAfterFirst::default();
    // A hint of 10 s spreads over 5 s, of which the deadline leaves 1 ms.
    for seed in 0..100 {
        let mut client = Client::new(&policy, Session::new().max_elapsed(ms(10_001)));
        client.rng = SmallRng::seed_from_u64(seed);
        let Decision::Wait(delay) = client.decide(&Hinted(429, 10_000)) else { panic!("gave up") };
        assert!((ms(10_000)..=ms(10_001)).contains(&delay), "{delay:?}");
    }
}

#[test]
fn the_budget_hears_of_a_success_on_the_last_attempt() {
    let policy = FixedDelay::new(ms(0));
    for (last, earned) in
        [(Status(200), 0.5), (Status(304), 0.5), (Status(404), 0.0), (Failed(FailureKind::Permanent), 0.0)]
    {
        let mut client = Client::new(&policy, Session::new().max_attempts(2));
        let budget = Budget::percent(50).min_per_second(0).capacity(5);
        client.budget = Some(budget.clone());
        client.expect(&Status(500), wait(0));
        client.expect(&last, Decision::Accept);
        assert_eq!(budget.tokens(), 4.0 + earned, "{last:?}");
    }
}

#[test]
fn a_failed_attempt_earns_nothing() {
    let policy = FixedDelay::new(ms(0)).classify_with(|_| Verdict::Retry(RetryCause::Transient));
    let mut client = Client::new(&policy, Session::new().max_attempts(2));
    let budget = Budget::percent(100).min_per_second(0).capacity(5);
    client.budget = Some(budget.clone());
    client.expect(&Status(200), wait(0));
    client.expect(&Status(200), GONE);
    assert_eq!(budget.tokens(), 4.0);
}

#[test]
fn a_token_is_spent_when_the_resend_goes_out_and_not_before() {
    let policy = FixedDelay::new(ms(0));
    let budget = Budget::percent(0).min_per_second(0).capacity(5);
    let ends: [(fn(Session), f64); 4] = [
        (drop, 5.0),
        (|mut session| session.abandon(), 5.0),
        (|mut session| assert_eq!(session.resend(), 2), 4.0),
        (|mut session| assert_eq!((session.resend(), session.resend()), (2, 2)), 3.0),
    ];
    for (row, (end, left)) in ends.into_iter().enumerate() {
        let mut client = Client::new(&policy, Session::new());
        client.budget = Some(budget.clone());
        let before = budget.tokens();
        assert_eq!(client.decide(&Status(500)), wait(0));
        assert_eq!(budget.tokens(), before - 1.0, "withdrawn");
        end(client.session);
        assert_eq!(budget.tokens(), left, "row {row}");
    }
}

#[test]
fn deciding_again_without_a_resend_pays_once() {
    let policy = FixedDelay::new(ms(0));
    let mut client = Client::new(&policy, Session::new());
    let budget = Budget::percent(0).min_per_second(0).capacity(1);
    client.budget = Some(budget.clone());
    for _ in 0..3 {
        assert_eq!(client.decide(&Status(500)), wait(0));
    }
    assert_eq!(client.decide(&Status(404)), Decision::Accept);
    assert_eq!(budget.tokens(), 1.0);
}

#[test]
fn a_resend_costs_by_its_cause_and_its_place() {
    const NEVER_SENT: Back = Failed(FailureKind::NeverSent);
    let policy = FixedDelay::new(ms(0));
    for (backs, expected) in [
        (&[NEVER_SENT, NEVER_SENT][..], 250 + 1_000),
        (&[REFUSED, REFUSED], 250 + 1_000),
        (&[Status(500), REFUSED], 1_000 + 1_000),
        (&[Status(429), Hinted(429, 1)], 1_000 + 250),
        (&[Hinted(429, 1), Hinted(503, 1)], 250 + 250),
        (&[Hinted(500, 1), Failed(FailureKind::MaybeProcessed)], 1_000 + 1_000),
        (&[Failed(FailureKind::Timeout)], 2_000),
    ] {
        let mut client = Client::new(&policy, Session::new().max_attempts(5));
        let budget = Budget::percent(0).min_per_second(0).capacity(10);
        client.budget = Some(budget.clone());
        for back in backs {
            assert!(matches!(client.decide(back), Decision::Wait(_)), "{back:?}");
            client.session.resend();
        }
        assert_eq!(10_000.0 - budget.tokens() * 1_000.0, f64::from(expected), "{backs:?}");
    }
}

#[test]
fn a_transparent_resend_is_no_retry() {
    const NEVER_SENT: Back = Failed(FailureKind::NeverSent);
    let policy = FixedDelay::new(ms(0));
    for (backs, expected) in [
        (&[Status(500), Status(503)][..], &[1, 2][..]),
        (&[REFUSED, REFUSED, Status(503)], &[0, 1, 2]),
        (&[Status(503), REFUSED, Hinted(503, 1)], &[1, 1, 2]),
        (&[NEVER_SENT, NEVER_SENT, REFUSED, REFUSED], &[0, 0, 0, 1]),
    ] {
        let mut client = Client::new(&policy, Session::new().max_attempts(5));
        assert_eq!(client.session.retries(), 0);
        for (back, expected) in backs.iter().zip(expected) {
            assert!(matches!(client.decide(back), Decision::Wait(_)), "{back:?}");
            assert_eq!(client.session.retries(), *expected, "{back:?} of {backs:?}");
            client.session.resend();
            assert_eq!(client.session.retries(), *expected, "{back:?} of {backs:?}");
        }
        let retries = client.session.retries();
        let _ = client.decide(&Status(503));
        client.session.abandon();
        assert_eq!(client.session.retries(), retries, "{backs:?}");
    }
}

#[test]
fn the_floor_of_the_budget_accrues_by_the_sessions_clock() {
    let policy = FixedDelay::new(ms(0));
    let mut client = Client::new(&policy, Session::new().max_attempts(9));
    client.budget = Some(Budget::percent(0).min_per_second(1).capacity(1));
    client.expect(&Status(500), wait(0));
    client.expect(&Status(500), Decision::GiveUp(GiveUpReason::Budget));
    client.now = ms(1_000);
    client.expect(&Status(500), wait(0));
}

#[test]
fn nothing_is_sent_after_the_deadline_not_even_at_once() {
    let policy = RetryAfterFirst::default();
    for back in [REFUSED, Status(425), Hinted(429, 0), Hinted(503, 0)] {
        let mut client = Client::new(&policy, Session::new().max_elapsed(ms(1_000)).started(Duration::ZERO));
        client.now = ms(1_001);
        client.expect(&back, Decision::GiveUp(GiveUpReason::MaxElapsed));
    }
}

#[test]
fn an_outcome_that_only_the_request_keeps_from_a_retry_says_why() {
    const BECAUSE: Decision = Decision::GiveUp(GiveUpReason::NotIdempotent);
    let keyed = [("idempotency-key", "k1")];
    let none = [].as_slice();
    for (method, headers, back, expected) in [
        ("POST", none, Status(503), BECAUSE),
        ("POST", none, Status(500), BECAUSE),
        ("PATCH", none, Failed(FailureKind::MaybeProcessed), BECAUSE),
        ("POST", none, Failed(FailureKind::Timeout), BECAUSE),
        ("POST", &keyed, Status(503), wait(5)),
        ("GET", none, Status(503), wait(5)),
        // No request would make these worth a retry.
        ("POST", none, Status(404), Decision::Accept),
        ("POST", none, Status(200), Decision::Accept),
        ("POST", none, Failed(FailureKind::Permanent), Decision::Accept),
        ("POST", none, Failed(FailureKind::Overloaded), Decision::Accept),
        ("GET", none, Status(404), Decision::Accept),
    ] {
        let mut request = Request::builder().method(method);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        let mut response = Response::new(());
        let outcome: Outcome<'_> = match back {
            Failed(kind) => kind.into(),
            Status(status) => {
                *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
                ResponseHead::from(&response).into()
            }
            Hinted(..) | Pushed(_) => unreachable!("no row has one"),
        };
        let attempt = Attempt::new(1, &request, outcome);
        let clock = || ClockReading::new(Duration::ZERO, SystemTime::UNIX_EPOCH);
        let rng = &mut SmallRng::seed_from_u64(1);
        let decision = Session::new().decide(&FixedDelay::new(ms(5)), &attempt, None, clock, rng);
        assert_eq!(decision, expected, "{method} {headers:?} {back:?}");
    }
}
