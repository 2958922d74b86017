//! A slow start: how much of a load goes at once, and how it goes on.

use super::*;

const LOAD: usize = 100;

/// Returns the tickets of requests that come at once.
fn load(pace: &Pace, requests: usize) -> Vec<Ticket> {
    (0..requests).map(|_| ticket(pace, "key", "")).collect()
}

/// Polls all that wait until none may go, and returns the permits.
fn send(pace: &Pace, tickets: &mut Vec<Ticket>, now: Duration) -> Vec<Permit> {
    let mut permits = Vec::new();
    loop {
        let sent = permits.len();
        tickets.retain_mut(|ticket| match pace.poll(ticket, now, None) {
            Admission::Go(permit) => {
                permits.push(permit);
                false
            }
            _ => true,
        });
        if permits.len() == sent {
            return permits;
        }
    }
}

#[test]
fn an_eighth_of_a_load_goes_at_first() {
    let pace = Pace::per_authority().slow_start();
    let mut tickets = load(&pace, LOAD);
    let sent = send(&pace, &mut tickets, START).len();
    assert!((12..=16).contains(&sent), "{sent} of {LOAD}");
}

#[test]
fn a_load_of_any_size_goes_in_eight_rounds() {
    let pace = Pace::per_authority().slow_start();
    let mut tickets = load(&pace, LOAD);
    let mut now = START;
    let mut rounds = 0;
    while !tickets.is_empty() {
        let permits = send(&pace, &mut tickets, now);
        now += ms(10);
        permits.into_iter().for_each(|permit| _ = settle(&pace, permit, &response(200, None), now));
        rounds += 1;
    }
    assert!(rounds <= 8, "{rounds}");
}

#[test]
fn late_answers_delay_a_load_by_less_than_a_second() {
    let pace = Pace::per_authority().slow_start();
    let mut tickets = load(&pace, LOAD);
    let mut now = START;
    let mut permits = Vec::new();
    while !tickets.is_empty() {
        permits.extend(send(&pace, &mut tickets, now));
        now += ms(10);
    }
    assert!(now < START + ms(600), "{:?}", now - START);
}

#[test]
fn no_request_goes_in_the_stead_of_a_refused_one() {
    let pace = Pace::per_authority().slow_start();
    let mut tickets = load(&pace, LOAD);
    let mut permits = send(&pace, &mut tickets, START);
    settle(&pace, permits.pop().unwrap(), &response(429, Some(1)), START + ms(10));
    assert_eq!(send(&pace, &mut tickets, START + ms(11)).len(), 0);
    // A served one makes up for a refused one.
    settle(&pace, permits.pop().unwrap(), &response(200, None), START + ms(12));
    assert!(!send(&pace, &mut tickets, START + ms(12)).is_empty());
}

#[test]
fn one_request_goes_after_all_were_refused() {
    let pace = Pace::per_authority().slow_start();
    let permits = send(&pace, &mut load(&pace, 4), START);
    assert_eq!(permits.len(), 4);
    permits.into_iter().for_each(|permit| _ = settle(&pace, permit, &response(503, Some(1)), START + ms(10)));
    assert_eq!(send(&pace, &mut load(&pace, 9), START + ms(20)).len(), 1);
}
