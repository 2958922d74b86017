//! Tests of the behaviour that gRPC A6 asks for after a pushback.

use super::*;

const A_TENTH: FixedDelay = FixedDelay::new(Duration::from_millis(100));

#[test]
fn a_pushback_of_never_ends_the_session_with_every_policy() {
    for value in ["-1", "soon", ""] {
        let policies: [&dyn Policy; 2] = [&RetryAfterFirst::new(A_TENTH), &A_TENTH];
        for policy in policies {
            let mut retry_loop = RetryLoop::new(policy, Session::new());
            retry_loop.expect(&Status(503), wait(100));
            retry_loop.expect(&Pushback(value), Decision::GiveUp(GiveUpReason::ServerSaidNo));
            assert_eq!(retry_loop.session.hint(), Some(RetryHint::Never), "{value:?}");
            assert_eq!(retry_loop.session.hint_header(), Some("grpc-retry-pushback-ms"));
            assert_eq!(retry_loop.session.resend(), 2, "nothing was admitted");
        }
    }
}

#[test]
fn the_delay_of_a_pushback_is_exact() {
    let policy = RetryAfterFirst::new(A_TENTH);
    for (value, millis) in [("0", 0), ("10", 10), ("7000", 7_000)] {
        let pushback = Pushback(value);
        assert_eq!(delays(&policy, &pushback), (ms(millis), ms(millis)), "{value}");
    }
    let too_long = Decision::GiveUp(GiveUpReason::HintTooLong);
    check(&policy, Session::new().max_elapsed(None), &[(Pushback("120001"), too_long)]);
}

#[test]
fn after_a_pushback_the_backoff_starts_again() {
    let policy =
        RetryAfterFirst::new(ExponentialBackoff::new(ms(10), ms(10_000)).jitter(crate::Jitter::None));
    let timeline = [
        (Status(503), wait(10)),
        (Status(503), wait(20)),
        (Status(503), wait(40)),
        (Pushback("700"), wait(700)),
        (Status(503), wait(10)),
        (Status(503), wait(20)),
        (Pushback("0"), wait(0)),
        (Status(503), wait(10)),
    ];
    check(&policy, Session::new().max_attempts(9), &timeline);
}

#[test]
fn every_pushback_counts_as_an_attempt() {
    let policy = RetryAfterFirst::new(A_TENTH);
    let out_of_attempts = Decision::GiveUp(GiveUpReason::MaxAttempts);
    let timeline = [(Pushback("0"), wait(0)), (Pushback("0"), wait(0)), (Pushback("0"), out_of_attempts)];
    check(&policy, Session::new(), &timeline);
}

#[test]
fn an_ignored_pushback_gives_no_hint() {
    let session = check(&A_TENTH, Session::new().ignore_hints(), &[(Pushback("-1"), wait(100))]);
    assert_eq!((session.hint(), session.hint_header()), (None, None));
}
