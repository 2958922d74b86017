//! A server that is unwell, and serves nothing for a while.

use super::*;

/// Refuses a request, whose own backoff ends at once.
fn refuse(pace: &Pace, request: &mut Ticket, status: u16, now: Duration) -> Settlement {
    let permit = go(pace, request, now);
    let settlement = settle(pace, permit, &response(status, None), now + ms(5));
    request.not_before(now + ms(6));
    settlement
}

#[test]
fn a_request_backs_off_for_longer_each_time_while_nothing_is_served() {
    for (status, waits) in
        [(503, [0, 500, 1_000, 2_000, 4_000, 4_000]), (529, [0, 500, 1_000, 2_000, 4_000, 4_000])]
    {
        let pace = Pace::per_authority();
        let mut request = ticket(&pace, "key", "");
        let mut now = START;
        for wait in waits {
            refuse(&pace, &mut request, status, now);
            let end = now + ms(wait);
            now += ms(6);
            if wait > 0 {
                assert_eq!(super::wait(&pace, &mut request, now), (end, Why::OwnHint), "{status}");
                now = end;
            }
        }
    }
}

#[test]
fn it_does_not_back_off_once_others_are_served_or_at_a_limit() {
    for (status, serves) in [(503, true), (429, false)] {
        let pace = Pace::per_authority();
        let mut request = ticket(&pace, "key", "");
        for attempt in 0..3 {
            let now = START + ms(20 * attempt);
            refuse(&pace, &mut request, status, now);
            if serves {
                let other = go(&pace, &mut ticket(&pace, "key", ""), now + ms(7));
                settle(&pace, other, &response(200, None), now + ms(8));
            }
        }
    }
}

#[test]
fn an_attempt_that_asks_for_others_whether_the_server_serves_again_does_not_count() {
    for (status, others_wait, expected) in [(503, true, true), (503, false, false), (429, true, false)] {
        let pace = Pace::per_authority();
        let [mut request, mut other] = [(); 2].map(|()| ticket(&pace, "key", ""));
        if others_wait {
            refuse(&pace, &mut other, status, START);
            other.not_before(START + secs(60));
            wait(&pace, &mut other, START + ms(6));
        }
        assert!(
            !refuse(&pace, &mut request, status, START + ms(10)).is_uncounted,
            "the first attempt is its own"
        );
        let again = refuse(&pace, &mut request, status, START + ms(20));
        assert_eq!(again.is_uncounted, expected, "{status}, {others_wait}");
    }
}

#[test]
fn a_request_without_a_hint_is_a_probe_for_others_once_in_a_stop() {
    for (status, hint, expected) in
        [(429, None, [true, false, false]), (429, Some(1), [true; 3]), (503, None, [true; 3])]
    {
        let pace = Pace::per_authority();
        let (_, mut now) = stop(&pace, "key", START, 1);
        let mut request = ticket(&pace, "key", "");
        let uncounted = expected.map(|_| {
            let probe = loop {
                match pace.poll(&mut request, now, None) {
                    Admission::Go(permit) => break permit,
                    Admission::Wait { until, .. } => now = until,
                    Admission::Rejected(rejection) => panic!("{rejection}"),
                }
            };
            assert!(probe.is_probe());
            now += ms(5);
            settle(&pace, probe, &response(status, hint), now).is_uncounted
        });
        assert_eq!(uncounted, expected, "{status}, {hint:?}");
    }
}
