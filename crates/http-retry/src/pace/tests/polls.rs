//! How often the requests that wait for a limit are polled, in time that each poll takes a part of.

use super::*;

/// The time that a poll takes.
const POLL: Duration = Duration::from_micros(20);
/// The time between two answers of the server.
const GAP: Duration = Duration::from_millis(20);

/// Lets callers send one request after the other for 20 s, to a server that serves one each 20 ms. Returns the calls, and the polls.
fn calls_and_polls(callers: usize) -> (u32, u32) {
    let pace = Pace::per_authority();
    let mut callers: Vec<_> = (0..callers).map(|_| Caller::new(&pace, "key", "")).collect();
    let (mut now, mut served_until) = (START, START);
    let (mut calls, mut polls) = (0, 0);
    while now < START + secs(20) {
        let is_due = |caller: &Caller| caller.flag.take() || caller.until <= now;
        let Some(caller) = callers.iter_mut().find(|caller| is_due(caller)) else {
            now = callers.iter().map(|caller| caller.until).min().unwrap();
            continue;
        };
        polls += 1;
        if let Some(permit) = caller.poll(&pace, now) {
            // The server saves up calls of half a second.
            let is_served = served_until < now + ms(500);
            served_until = served_until.max(now) + if is_served { GAP } else { Duration::ZERO };
            let answer = response(if is_served { 200 } else { 429 }, (!is_served).then_some(1));
            settle(&pace, permit.unwrap(), &answer, now);
            match is_served {
                true => *caller = Caller::new(&pace, "key", ""),
                false => caller.ticket.not_before(now + secs(1)),
            }
            caller.until = now;
            calls += 1;
        }
        now += POLL;
    }
    (calls, polls)
}

/// The rate grows while requests wait, so that the next slot comes a little earlier with each poll. That is no reason to wake
/// the others, whose polls would bring it forward again.
#[test]
fn a_slot_that_comes_a_little_earlier_wakes_nobody() {
    for callers in [2, 5, 50] {
        let (calls, polls) = calls_and_polls(callers);
        assert!(calls > 500, "{callers} callers: {calls} calls");
        assert!(polls < 10 * calls, "{callers} callers: {polls} polls for {calls} calls");
    }
}
