//! What gRPC A6 asks of a client that the server pushes back.

use super::*;

const A_TENTH: FixedDelay = FixedDelay::new(Duration::from_millis(100));

#[test]
fn a_pushback_of_never_ends_the_session_whatever_the_policy_says() {
    for value in ["-1", "soon", ""] {
        let policies: [&dyn Policy; 2] = [&RetryAfterFirst::new(A_TENTH), &A_TENTH];
        for policy in policies {
            let mut client = Client::new(policy, Session::new());
            client.expect(&Status(503), wait(100));
            client.expect(&Pushed(value), Decision::GiveUp(GiveUpReason::ServerSaidNo));
            assert_eq!(client.session.hint(), Some(RetryHint::Never), "{value:?}");
            assert_eq!(client.session.hint_header(), Some("grpc-retry-pushback-ms"));
            assert_eq!(client.session.resend(), 2, "nothing was admitted");
        }
    }
}

#[test]
fn a_pushback_is_waited_for_exactly() {
    let policy = RetryAfterFirst::new(A_TENTH);
    for (value, millis) in [("0", 0), ("10", 10), ("7000", 7_000)] {
        let pushed = Pushed(value);
        assert_eq!(delays(&policy, &pushed), (ms(millis), ms(millis)), "{value}");
    }
    let too_long = Decision::GiveUp(GiveUpReason::HintTooLong);
    check(&policy, Session::new().max_elapsed(None), &[(Pushed("120001"), too_long)]);
}

#[test]
fn after_a_pushback_the_backoff_starts_again() {
    let policy =
        RetryAfterFirst::new(ExponentialBackoff::new(ms(10), ms(10_000)).jitter(crate::Jitter::None));
    let timeline = [
        (Status(503), wait(10)),
        (Status(503), wait(20)),
        (Status(503), wait(40)),
        (Pushed("700"), wait(700)),
        (Status(503), wait(10)),
        (Status(503), wait(20)),
        (Pushed("0"), wait(0)),
        (Status(503), wait(10)),
    ];
    check(&policy, Session::new().max_attempts(9), &timeline);
}

#[test]
fn every_pushback_counts_as_an_attempt() {
    let policy = RetryAfterFirst::new(A_TENTH);
    let out_of_attempts = Decision::GiveUp(GiveUpReason::MaxAttempts);
    let timeline = [(Pushed("0"), wait(0)), (Pushed("0"), wait(0)), (Pushed("0"), out_of_attempts)];
    check(&policy, Session::new(), &timeline);
}

#[test]
fn an_ignored_pushback_is_none() {
    let session = check(&A_TENTH, Session::new().ignore_hints(), &[(Pushed("-1"), wait(100))]);
    assert_eq!((session.hint(), session.hint_header()), (None, None));
}
