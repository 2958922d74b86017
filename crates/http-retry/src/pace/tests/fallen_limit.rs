//! A limit that falls to a few calls a second is soon known.

use super::*;

/// A token bucket that starts full.
struct Bucket {
    rate: f64,
    level: f64,
    at: Duration,
}

impl Bucket {
    fn answer(&mut self, now: Duration) -> Response<()> {
        let refilled = (now - self.at).as_secs_f64() * self.rate;
        self.level = (self.level + refilled).min(1.5 * self.rate);
        self.at = now;
        let is_served = self.level >= 1.0;
        self.level -= f64::from(u8::from(is_served));
        response(if is_served { 200 } else { 429 }, (!is_served).then_some(1))
    }
}

/// Lets 20 callers send one request after the other for a minute, to a bucket whose rate falls after ten seconds. Returns the
/// served and the refused calls after that.
fn served_and_refused(before: f64, after: f64) -> (u32, u32) {
    let pace = Pace::per_authority();
    let mut server = Bucket { rate: before, level: before, at: START };
    let mut callers: Vec<_> = (0..20).map(|_| ticket(&pace, "key", "")).collect();
    let (mut served, mut refused) = (0, 0);
    for step in 0..6_000 {
        let now = START + ms(10 * step);
        let is_fallen = now > START + secs(10);
        server.rate = if is_fallen { after } else { before };
        for caller in &mut callers {
            let Admission::Go(permit) = pace.poll(caller, now, None) else {
                continue;
            };
            let answer = server.answer(now);
            let is_refused = answer.status() != 200;
            settle(&pace, permit, &answer, now + ms(5));
            if is_refused {
                caller.not_before(now + ms(5) + secs(1));
            } else {
                *caller = ticket(&pace, "key", "");
            }
            served += u32::from(is_fallen && !is_refused);
            refused += u32::from(is_fallen && is_refused);
        }
    }
    (served, refused)
}

#[test]
fn few_calls_are_refused_at_a_limit_that_has_fallen_far() {
    for (before, after) in [(12.0, 3.0), (8.0, 2.0), (30.0, 5.0)] {
        let (served, refused) = served_and_refused(before, after);
        assert!(f64::from(served) > 0.9 * 50.0 * after, "{before} to {after}: {served} served");
        assert!(2 * refused < served, "{before} to {after}: {served} served, {refused} refused");
    }
}

#[test]
fn a_limit_of_few_calls_a_second_is_not_taken_for_chance() {
    let (served, refused) = served_and_refused(5.0, 5.0);
    assert!(served > 225 && refused <= 14, "{served} served, {refused} refused");
}
