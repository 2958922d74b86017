//! Input that no server or caller should give.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

const CENTURY: u64 = 3_155_760_000;

#[test]
fn a_hint_of_a_century_concerns_its_own_request_alone() {
    let pace = Pace::per_authority();
    let mut now = START;
    let mut own = ticket(&pace, "key", "");
    for round in 0..200 {
        let permit = go(&pace, &mut ticket(&pace, "key", ""), now);
        settle(&pace, permit, &response(200, None), now + ms(5));
        if round % 50 == 0 {
            let permit = go(&pace, &mut own, now + ms(5));
            let settlement = settle(&pace, permit, &response(429, Some(CENTURY)), now + ms(10));
            assert!(settlement.is_refused && !settlement.is_uncounted);
        }
        now += ms(10);
    }
    let until = now + secs(CENTURY);
    own.not_before(until);
    assert_eq!(wait(&pace, &mut own, now), (until, Why::OwnHint));
    pace.leave(&mut own, now);
    own.deadline(now + secs(60));
    assert_eq!(rejected(&pace, &mut own, now), PaceRejection::TooLong);
    assert_eq!(pace.waiting(), 0);
}

#[test]
fn a_key_that_hears_of_centuries_alone_stops_for_a_short_time() {
    let pace = Pace::per_authority();
    let (now, end) = stop(&pace, "key", START, CENTURY);
    assert!(end - now <= secs(10), "stopped for {:?}", end - now);
    // The next probe hears the same.
    let probe = go(&pace, &mut ticket(&pace, "key", ""), end + ms(1));
    settle(&pace, probe, &response(429, Some(CENTURY)), end + ms(10));
    let left = pace.report(&ticket(&pace, "key", ""), end + ms(10)).stopped_for.unwrap();
    assert!(left <= secs(10), "stopped for {left:?}");
}

#[test]
fn no_stop_is_longer_than_the_longest() {
    let pace = Pace::per_authority().longest(secs(7));
    for (hint, most) in [(6, 7), (7, 7), (8, 7), (u64::MAX, 7)] {
        let key = format!("key-{hint}");
        let (now, end) = stop(&pace, &key, START, hint);
        assert!(end - now <= secs(most), "a hint of {hint} s stops for {:?}", end - now);
    }
}

#[test]
fn hints_that_cannot_be_read_are_none() {
    let names = [
        "retry-after",
        "retry-after-ms",
        "x-ratelimit-reset",
        "ratelimit-reset",
        "x-ratelimit-remaining-requests",
    ];
    let values = ["", "-1", "NaN", "inf", "1e400", "99999999999999999999999", "-0.0", "soon", "\u{fe}", "0"];
    let pace = Pace::per_authority();
    let mut now = START;
    for (name, value) in names.iter().flat_map(|name| values.map(|value| (name, value))) {
        let key = format!("key-{name}");
        let head = Response::builder().status(429).header(*name, value.as_bytes()).body(()).unwrap();
        let mut request = ticket(&pace, &key, "");
        if let Admission::Go(permit) = pace.poll(&mut request, now, None) {
            settle(&pace, permit, &head, now);
        }
        pace.leave(&mut request, now);
        let report = pace.report(&request, now);
        assert!(report.stopped_for.unwrap_or_default() <= Pace::LONGEST, "{name}: {value}: {report}");
        now += secs(1);
    }
    assert_eq!(pace.waiting(), 0);
}

#[test]
fn a_closure_that_panics_reaches_no_other_request() {
    let check =
        |head: &RequestHead<'_>, place: &str| assert_ne!(head.header(TENANT), Some(place), "a bad request");
    let pace = Pace::per(move |head| {
        check(head, "bad key");
        head.authority().map(str::to_owned)
    });
    let pace = pace.fair_by(move |head| {
        check(head, "bad tenant");
        head.header(TENANT).map(str::to_owned)
    });
    let pace = pace.cost(move |head| {
        check(head, "bad cost");
        1
    });
    let (now, end) = stop(&pace, "key", START, 5);
    let mut waiter = Caller::new(&pace, "key", "good");
    assert!(waiter.poll(&pace, now).is_none());
    for bad in ["bad key", "bad tenant", "bad cost"] {
        let result = catch_unwind(AssertUnwindSafe(|| ticket(&pace, "key", bad)));
        assert!(result.is_err(), "{bad}");
        assert_eq!((pace.waiting(), pace.key_count()), (1, 1));
    }
    let probe = waiter.poll(&pace, end).unwrap().unwrap();
    settle(&pace, probe, &response(200, None), end + ms(10));
    let permit = go(&pace, &mut ticket(&pace, "key", "good"), end + secs(1));
    settle(&pace, permit, &response(200, None), end + secs(1));
}

#[test]
fn a_clock_that_panics_reaches_no_other_request() {
    let pace = Pace::per_authority();
    let refusal = response(429, Some(1));
    let permit = go(&pace, &mut ticket(&pace, "key", ""), START);
    let result = catch_unwind(AssertUnwindSafe(|| {
        pace.settle(permit, &ResponseHead::from(&refusal), || panic!("there is no clock"));
    }));
    assert!(result.is_err());
    let permit = go(&pace, &mut ticket(&pace, "key", ""), START);
    assert!(settle(&pace, permit, &refusal, START).is_refused);
}

#[test]
fn the_end_of_time_is_no_end() {
    let pace = Pace::per_authority();
    for begin in
        [Duration::ZERO, Duration::MAX / 2, Duration::MAX - secs(10), Duration::MAX - ms(100), Duration::MAX]
    {
        for status in [200, 429, 503, 529] {
            for step in 0..40 {
                let now = begin.saturating_add(ms(20 * step));
                let mut requests = [(); 3].map(|()| ticket(&pace, "key", ""));
                // The later ones wait for the probe of the first.
                let permits = requests.each_mut().map(|request| {
                    request.not_before(now);
                    request.deadline((status != 429).then_some(now));
                    pace.poll(request, now, Some(Waker::noop()))
                });
                for admission in permits {
                    if let Admission::Go(permit) = admission {
                        settle(&pace, permit, &response(status, Some(u64::MAX)), now.saturating_add(ms(5)));
                    }
                }
                let _ = pace.report(&requests[0], now).to_string();
                requests.iter_mut().for_each(|request| pace.leave(request, now));
            }
        }
    }
    assert_eq!(pace.waiting(), 0);
}
