//! A key is free again once the server refuses no more.

use super::*;

/// A server that serves a number of calls in each second, and refuses the others with a hint of one second.
struct Window {
    second: u64,
    left: u32,
    most: u32,
}

impl Window {
    fn answer(&mut self, now: Duration) -> Response<()> {
        if now.as_secs() != self.second {
            (self.second, self.left) = (now.as_secs(), self.most);
        }
        let is_served = self.left > 0;
        self.left = self.left.saturating_sub(1);
        response(if is_served { 200 } else { 429 }, (!is_served).then_some(1))
    }
}

/// Sends calls of a key, one each 10 ms, until a limit is known.
fn meet_a_limit(pace: &Pace, now: Duration) -> Duration {
    let mut server = Window { second: 0, left: 0, most: 20 };
    let mut now = now;
    for _ in 0..60_000 {
        let mut request = ticket(pace, "key", "");
        if let Admission::Go(permit) = pace.poll(&mut request, now, None) {
            settle(pace, permit, &server.answer(now), now + ms(5));
        }
        pace.leave(&mut request, now);
        now += ms(10);
        if pace.report(&request, now).rate.is_some() {
            return now;
        }
    }
    panic!("no limit is known");
}

#[track_caller]
fn check_free(pace: &Pace, now: Duration) {
    assert_eq!(pace.report(&ticket(pace, "key", ""), now).why, None);
    assert_eq!(pace.reports(now, 10), []);
    let permits: Vec<_> = (0..500).map(|_| go(pace, &mut ticket(pace, "key", ""), now)).collect();
    permits.into_iter().for_each(|permit| _ = settle(pace, permit, &response(200, None), now));
}

#[test]
fn a_key_is_free_some_calls_after_an_outage() {
    let pace = Pace::per_authority();
    let outage = response(503, None);
    let mut now = START;
    let mut sent = 0;
    while now < START + secs(60) {
        let mut request = ticket(&pace, "key", "");
        if let Admission::Go(permit) = pace.poll(&mut request, now, None) {
            settle(&pace, permit, &outage, now + ms(5));
            sent += 1;
        }
        pace.leave(&mut request, now);
        now += ms(50);
    }
    assert!(sent < 100, "{sent} of 1,200 were sent");
    let begin = now;
    while pace.report(&ticket(&pace, "key", ""), now).why.is_some() || !pace.reports(now, 1).is_empty() {
        let mut request = ticket(&pace, "key", "");
        if let Admission::Go(permit) = pace.poll(&mut request, now, None) {
            settle(&pace, permit, &response(200, None), now + ms(5));
        }
        pace.leave(&mut request, now);
        now += ms(50);
        assert!(now < begin + secs(60), "{}", pace.report(&ticket(&pace, "key", ""), now));
    }
    check_free(&pace, now);
}

#[test]
fn a_limit_is_forgotten_when_the_key_was_not_used_for_long() {
    let pace = Pace::per_authority();
    let now = meet_a_limit(&pace, START) + secs(900);
    let permit = go(&pace, &mut ticket(&pace, "key", ""), now);
    settle(&pace, permit, &response(200, None), now);
    check_free(&pace, now);
}

#[test]
fn a_limit_that_is_met_no_more_is_outgrown() {
    let pace = Pace::per_authority();
    let now = meet_a_limit(&pace, START);
    let callers: Vec<_> = (0..2_000).map(|_| Caller::new(&pace, "key", "")).collect();
    let (order, end) = drain(&pace, callers, now, secs(120));
    assert_eq!(order.len(), 2_000);
    // The server of these answers each within 10 ms, one after the other.
    assert!(end - now <= secs(60), "{:?}", end - now);
}

#[test]
fn a_limit_that_refused_nothing_for_a_while_holds_no_request_somewhat_above_it() {
    let pace = Pace::per_authority();
    let mut now = meet_a_limit(&pace, START) + secs(60);
    let rate = pace.report(&ticket(&pace, "key", ""), now).rate.unwrap();
    for _ in 0..1_000 {
        let permit = go(&pace, &mut ticket(&pace, "key", ""), now);
        now += ms(5);
        settle(&pace, permit, &response(200, None), now);
        now += Duration::from_secs_f64(1.0 / (1.1 * rate)) - ms(5);
    }
}

#[test]
fn a_resend_while_nothing_is_served_at_a_known_limit_does_not_count() {
    // Without a hint a request comes back to a limit that is full again, and tries for no more than it is known to serve.
    for (hint, expected) in [(None, 0..=1), (Some(1), 4..=5)] {
        let pace = Pace::per_authority();
        let mut now = meet_a_limit(&pace, START) + secs(9);
        let mut request = ticket(&pace, "key", "");
        let mut settlements = Vec::new();
        while settlements.len() < 5 {
            match pace.poll(&mut request, now, None) {
                Admission::Go(permit) => {
                    now += ms(5);
                    settlements.push(settle(&pace, permit, &response(429, hint), now));
                    request.not_before(now + secs(1));
                }
                Admission::Wait { until, .. } => now = until,
                Admission::Rejected(rejection) => panic!("{rejection}"),
            }
        }
        // No other request waits, but this one asks for those that will come.
        let uncounted = settlements.iter().filter(|settlement| settlement.is_uncounted).count();
        assert!(expected.contains(&uncounted), "{hint:?}: {settlements:?}");
    }
}

/// Sends a request until it was answered so often or the key is stopped. Returns the time then, and the number of answers.
fn answer(pace: &Pace, request: &mut Ticket, status: u16, most: u32, mut now: Duration) -> (Duration, u32) {
    let mut answers = 0;
    while answers < most && pace.report(request, now).stopped_for.is_none() {
        match pace.poll(request, now, None) {
            Admission::Go(permit) => {
                now += ms(5);
                settle(pace, permit, &response(status, (status == 429).then_some(1)), now);
                request.not_before(now + secs(1));
                answers += 1;
            }
            Admission::Wait { until, .. } => now = until,
            Admission::Rejected(rejection) => panic!("{rejection}"),
        }
    }
    (now, answers)
}

#[test]
fn a_request_that_a_known_limit_refuses_again_and_again_stops_the_key() {
    for is_served_later in [true, false] {
        let pace = Pace::per_authority();
        let mut now = meet_a_limit(&pace, START) + secs(11);
        let mut first = ticket(&pace, "key", "");
        (now, _) = answer(&pace, &mut first, 429, 1, now);
        let mut served = if is_served_later { first } else { ticket(&pace, "key", "") };
        (now, _) = answer(&pace, &mut served, 200, 1, now);
        let (_, refused) = answer(&pace, &mut ticket(&pace, "key", ""), 429, 6, now);
        // A limit that has served nobody whom it refused may be none.
        assert_eq!(refused, if is_served_later { 3 } else { 6 });
    }
}

#[test]
fn a_limit_of_how_many_at_a_time_is_forgotten_when_the_key_was_not_used_for_long() {
    let pace = Pace::per_authority();
    let permits: Vec<_> = (0..40).map(|_| go(&pace, &mut ticket(&pace, "key", ""), START)).collect();
    let mut now = START + ms(20);
    for (index, permit) in permits.into_iter().enumerate() {
        settle(&pace, permit, &response(if index < 20 { 429 } else { 200 }, None), now);
        now += ms(1);
    }
    let now = now + secs(900);
    let permit = go(&pace, &mut ticket(&pace, "key", ""), now);
    settle(&pace, permit, &response(200, None), now);
    check_free(&pace, now);
}

#[test]
fn a_limit_of_how_many_at_a_time_is_dropped_when_calls_that_are_alone_are_refused() {
    let pace = Pace::per_authority();
    let permits: Vec<_> = (0..20).map(|_| go(&pace, &mut ticket(&pace, "key", ""), START)).collect();
    let mut now = START + ms(20);
    for (index, permit) in permits.into_iter().enumerate() {
        settle(&pace, permit, &response(if index < 2 || index == 15 { 200 } else { 429 }, None), now);
        now += ms(1);
    }
    assert!(pace.report(&ticket(&pace, "key", ""), now).at_a_time.is_some(), "no limit is claimed");
    // A bucket refuses most calls that come one by one, and serves some.
    for index in 0..20 {
        let mut request = ticket(&pace, "key", "");
        let permit = loop {
            match pace.poll(&mut request, now, None) {
                Admission::Go(permit) => break permit,
                Admission::Wait { until, .. } => now = until,
                Admission::Rejected(rejection) => panic!("{rejection}"),
            }
        };
        now += ms(5);
        settle(&pace, permit, &response(if index % 4 == 3 { 200 } else { 429 }, None), now);
    }
    let report = pace.report(&ticket(&pace, "key", ""), now);
    assert_eq!(report.at_a_time, None);
    assert!(report.base_share < 0.05, "chance does not refuse so many: {report}");
}

#[test]
fn a_refusal_that_took_minutes_holds_nobody_for_minutes() {
    let pace = Pace::per_authority();
    let permits: Vec<_> = (0..40).map(|_| go(&pace, &mut ticket(&pace, "key", ""), START)).collect();
    let now = START + secs(1_000);
    permits.into_iter().for_each(|permit| _ = settle(&pace, permit, &response(429, Some(1)), now));
    let callers: Vec<_> = (0..10).map(|_| Caller::new(&pace, "key", "")).collect();
    let (_, end) = drain(&pace, callers, now, secs(60));
    assert!(end - now <= secs(30), "{:?}", end - now);
}
