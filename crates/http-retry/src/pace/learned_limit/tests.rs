use super::*;
use crate::pace::constants::OFTEN_CONFIRMED;

const START: Duration = Duration::from_secs(3_600);
const ROUND: Duration = Duration::from_millis(50);

fn moment(now: Duration, waiting: usize) -> Moment {
    let times = (Duration::from_millis(40), Duration::from_millis(160), Duration::from_secs(120));
    let (refusal_time, patience, longest) = times;
    let (unknown, sends, burst_from) = (0, 0, 0);
    let queued = waiting;
    Moment {
        now,
        waiting,
        queued,
        unknown,
        refusal_time,
        patience,
        longest,
        sends,
        burst_from,
        part: 1.0,
        part_of_load: 1.0,
    }
}

/// Lets requests wait for some time, each of which goes at its slot. Returns the time then.
fn press(
    limit: &mut LearnedLimit,
    waiting: usize,
    hint: Duration,
    from: Duration,
    time: Duration,
) -> Duration {
    let mut now = from;
    while now < from + time {
        now += Duration::from_millis(2);
        limit.advance(true, 0.01, hint, &moment(now, waiting), ROUND);
        if limit.next() <= now {
            limit.sent();
        }
    }
    now
}

#[test]
fn a_cut_takes_back_what_was_only_tried() {
    for measured in [None, Some(100.0), Some(97.0), Some(103.0)] {
        let mut limit = LearnedLimit::new(100.0, 1.0, START);
        let now = press(&mut limit, 50, Duration::ZERO, START, Duration::from_secs(3));
        let tried = limit.rate();
        assert!(tried > 110.0, "{tried}");
        limit.cut(measured, now);
        assert!((95.0..100.5).contains(&limit.rate()), "{tried} is cut to {} by {measured:?}", limit.rate());
    }
}

#[test]
fn a_cut_follows_a_measure_that_is_clearly_another_one() {
    for (measured, expected) in [(30.0, 50.0), (60.0, 60.0), (150.0, 150.0)] {
        let mut limit = LearnedLimit::new(100.0, 1.0, START);
        let mut now = START;
        while limit.rate() < 160.0 {
            now = press(&mut limit, 50, Duration::ZERO, now, Duration::from_millis(20));
        }
        let least = 0.5 * limit.rate();
        limit.cut(Some(measured), START);
        let expected = f64::max(expected, least) * BELOW;
        assert!((limit.rate() / expected - 1.0).abs() < 0.01, "{} by {measured}", limit.rate());
    }
}

#[test]
fn a_rate_that_was_confirmed_often_is_tried_less_often() {
    let time_to_double = |confirmations: u32| {
        let mut limit = LearnedLimit::new(20.0, 1.0, START);
        (0..confirmations).for_each(|_| limit.cut(Some(limit.rate()), START));
        let (rate, mut now) = (limit.rate(), START);
        while limit.rate() < 2.0 * rate {
            now = press(&mut limit, 50, Duration::ZERO, now, Duration::from_millis(20));
        }
        now - START
    };
    let soon = time_to_double(0);
    assert!(soon < Duration::from_secs(4), "{soon:?}");
    let often = time_to_double(u32::from(OFTEN_CONFIRMED));
    assert!(often < soon + Duration::from_millis(50), "{often:?}");
    assert!(time_to_double(20) > 3 * soon, "{:?}", time_to_double(20));
}

#[test]
fn a_search_tries_no_more_where_the_queue_is_gone_before_a_refused_call_comes_back() {
    let second = Duration::from_secs(1);
    let rate_after = |waiting, hint, time| {
        let mut limit = LearnedLimit::search(40.0, 10.0, START);
        limit.open(0.0, START);
        press(&mut limit, waiting, hint, START, time);
        limit.rate()
    };
    assert_eq!(rate_after(30, second, Duration::from_millis(200)), 40.0);
    // A longer queue, one that is still there, a few who wait, and a hint of no seconds.
    assert!(rate_after(300, second, Duration::from_millis(200)) > 60.0);
    assert!(rate_after(30, second, 2 * second) > 60.0);
    assert!(rate_after(3, second, Duration::from_millis(200)) > 60.0);
    assert!(rate_after(30, Duration::ZERO, Duration::from_millis(200)) > 60.0);
}

#[test]
fn calls_beyond_a_rate_that_was_never_met_are_no_debt() {
    let mut limit = LearnedLimit::search(2.0, 40.0, START);
    (0..20).for_each(|_| limit.sent());
    assert!(limit.next() <= START + Duration::from_secs(1), "{:?}", limit.next() - START);
}

#[test]
fn a_search_saves_no_calls_while_requests_wait() {
    let at_once = |waiting| {
        let mut limit = LearnedLimit::search(100.0, 40.0, START);
        limit.open(0.0, START);
        let now = START + Duration::from_secs(1);
        limit.advance(false, 0.01, Duration::ZERO, &moment(now, waiting), ROUND);
        std::iter::repeat_with(|| limit.sent_if_due(now)).take_while(|sent| *sent).count()
    };
    assert_eq!(at_once(5), 2);
    assert_eq!(at_once(0), 40, "a key at rest saves its burst");
}

impl LearnedLimit {
    fn sent_if_due(&mut self, now: Duration) -> bool {
        let is_due = self.next() <= now;
        if is_due {
            self.sent();
        }
        is_due
    }
}
