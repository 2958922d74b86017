//! Requests that are refused again and again, and the requests that wait behind them.

use super::*;

/// A request that waits or is in flight.
struct Waiting {
    caller: Caller,
    is_bad: bool,
    attempts: u32,
    in_flight: Option<(Duration, Permit)>,
}

/// Plays a server that answers after 20 ms, refuses bad requests with a hint of 3 s, and serves all others. So many of each come
/// in a second, for 15 s. Returns the longest time of a good request, or `None` if some are not served within a minute.
fn play(bad: u64, good: u64) -> Option<Duration> {
    let pace = Pace::per_authority();
    let (mut waiting, mut longest, mut came) = (Vec::new(), Duration::ZERO, [0; 2]);
    let begins = (0..15).flat_map(|second| {
        let at = move |part: u64, of: u64| START + secs(second) + secs(part) / of as u32;
        let bad = (0..bad).map(move |part| (at(part, bad), true));
        bad.chain((0..good).map(move |part| (at(part, good) + ms(70), false)))
    });
    let mut begins: Vec<_> = begins.collect();
    begins.sort_unstable();
    begins.reverse();
    let mut now = START;
    while now < START + secs(75) {
        while let Some((_, is_bad)) = begins.pop_if(|(at, _)| *at <= now) {
            came[usize::from(is_bad)] += 1;
            let caller = Caller::new(&pace, "key", "");
            waiting.push((now, Waiting { caller, is_bad, attempts: 0, in_flight: None }));
        }
        waiting.retain_mut(|(came_at, request)| {
            if let Some((_, permit)) = request.in_flight.take_if(|(at, _)| *at <= now) {
                let answer = if request.is_bad { response(429, Some(3)) } else { response(200, None) };
                let settlement = settle(&pace, permit, &answer, now);
                if !request.is_bad {
                    longest = longest.max(now - *came_at);
                    return false;
                }
                request.attempts += u32::from(!settlement.is_uncounted);
                request.caller.ticket.not_before(now + secs(3));
                request.caller.until = now;
                return request.attempts < 4;
            }
            true
        });
        for (_, request) in &mut waiting {
            let is_due = request.caller.flag.take() || request.caller.until <= now;
            if request.in_flight.is_none() && is_due {
                match request.caller.poll(&pace, now) {
                    Some(Ok(permit)) => request.in_flight = Some((now + ms(20), permit)),
                    Some(Err(rejection)) => panic!("{rejection}"),
                    None => {}
                }
            }
        }
        now += ms(5);
    }
    assert_eq!(came, [15 * good, 15 * bad]);
    waiting.iter().all(|(_, request)| request.is_bad).then_some(longest)
}

/// A bad request comes back as often as it has attempts. If all of them stood in front, the others would wait for minutes.
#[test]
fn requests_that_are_always_refused_do_not_keep_the_front_of_the_queue() {
    for (bad, good) in [(2, 2), (2, 4), (2, 3), (1, 4)] {
        let longest = play(bad, good);
        assert!(longest.is_some_and(|longest| longest < secs(40)), "{bad} and {good}: {longest:?}");
    }
}
