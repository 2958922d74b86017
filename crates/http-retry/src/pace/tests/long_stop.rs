//! A stop that a long hint asks for is probed before its end, by a request whose own hint is over.

use super::*;

/// A stopped key, the end of its stop, and two requests that wait and were not sent yet.
fn stopped(pace: &Pace, hint: u64) -> (Duration, Duration, [Ticket; 2]) {
    let (now, end) = stop(pace, "key", START, hint);
    let mut waiting = [(); 2].map(|()| ticket(pace, "key", ""));
    for request in &mut waiting {
        assert_eq!(wait(pace, request, now).1, Why::Stopped);
    }
    (now, end, waiting)
}

#[test]
fn the_others_follow_an_early_probe_that_is_served() {
    for hint in [20, 100] {
        let pace = Pace::per_authority();
        let (now, end, [mut first, mut second]) = stopped(&pace, hint);
        let half = now + (end - now) / 2;
        assert_eq!(wait(&pace, &mut first, half - secs(1)).1, Why::Stopped);
        let probe = go(&pace, &mut first, half + ms(30));
        assert!(probe.is_probe());
        assert_eq!(wait(&pace, &mut second, half + ms(35)).1, Why::Stopped);
        settle(&pace, probe, &response(200, None), half + ms(40));
        let next = go(&pace, &mut second, half + ms(100));
        assert!(!next.is_probe());
    }
}

#[test]
fn an_early_probe_that_is_refused_does_not_prolong_the_stop() {
    for status in [429, 503] {
        let pace = Pace::per_authority();
        let (now, end, [mut first, mut second]) = stopped(&pace, 20);
        let half = now + (end - now) / 2;
        let probe = go(&pace, &mut first, half + ms(30));
        assert!(settle(&pace, probe, &response(status, Some(20)), half + ms(40)).is_uncounted);
        let left = pace.report(&second, half + ms(50)).stopped_for;
        assert_eq!(left, Some(end - half - ms(50)));
        assert!(go(&pace, &mut second, end + ms(30)).is_probe());
    }
}

#[test]
fn a_request_is_no_early_probe_before_its_own_hint_is_over() {
    let pace = Pace::per_authority();
    let (now, end) = stop(&pace, "key", START, 20);
    let mut refused = ticket(&pace, "key", "");
    refused.not_before(end + secs(1));
    assert_eq!(wait(&pace, &mut refused, now), (end + secs(1), Why::OwnHint));
    assert_eq!(wait(&pace, &mut refused, end).1, Why::OwnHint);
}

#[test]
fn a_short_stop_is_not_probed_before_its_end() {
    let pace = Pace::per_authority();
    let (_, end, [mut first, _]) = stopped(&pace, 2);
    assert_eq!(wait(&pace, &mut first, end - ms(1)).1, Why::Stopped);
    assert!(go(&pace, &mut first, end + ms(1)).is_probe());
}
