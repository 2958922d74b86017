//! What holds whatever happens, in any order.

use proptest::prelude::*;

use super::crowd::Crowd;
use super::server::quota;
use super::*;

const LONGEST: Duration = Duration::from_millis(4_000);

#[derive(Clone, Debug)]
enum Event {
    /// With a time of its own, and a deadline, both from now.
    Enter {
        not_before: u64,
        ends_at: Option<u64>,
    },
    /// Somebody who waits polls without being told.
    Poll(prop::sample::Index),
    Leave(prop::sample::Index),
    Hear(prop::sample::Index, Answer),
    /// A resend that keeps its ticket.
    Resend(prop::sample::Index),
    Lose(prop::sample::Index),
    Advance(u64),
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    Fine,
    Throttled,
    Hinted(u64),
    UsedUp(u64),
    Quota { limit: u64, remaining: u64, reset: u64 },
}

impl Answer {
    fn response(self) -> Response<()> {
        match self {
            Self::Fine => answer(200, &[]),
            Self::Throttled => answer(429, &[]),
            Self::Hinted(millis) => answer(429, &[("retry-after-ms", &millis.to_string())]),
            Self::UsedUp(seconds) => answer(200, &[("ratelimit", &format!("a;r=0;t={seconds}"))]),
            Self::Quota { limit, remaining, reset } => {
                quota(200, limit, remaining.min(limit), &format!("{reset}ms"))
            }
        }
    }

    /// How long nobody may go after that, at the least.
    fn quiet(self) -> Duration {
        let asked = match self {
            Self::Fine | Self::Quota { .. } => Duration::ZERO,
            Self::Throttled => ms(500),
            Self::Hinted(millis) => ms(millis),
            Self::UsedUp(seconds) => Duration::from_secs(seconds),
        };
        asked.min(LONGEST)
    }
}

fn answers() -> impl Strategy<Value = Answer> {
    prop_oneof![
        4 => Just(Answer::Fine),
        1 => Just(Answer::Throttled),
        2 => (1..6_000_u64).prop_map(Answer::Hinted),
        1 => (1..6_u64).prop_map(Answer::UsedUp),
        1 => (1..20_u64, 0..20_u64, 0..10_000_u64)
            .prop_map(|(limit, remaining, reset)| Answer::Quota { limit, remaining, reset }),
    ]
}

/// With deadlines, or without any.
fn events(is_hurried: bool) -> impl Strategy<Value = Vec<Event>> {
    let not_before = prop_oneof![3 => Just(0), 1 => 0..3_000_u64];
    let end = prop_oneof![2 => Just(None), 1 => (0..5_000_u64).prop_map(Some)];
    let end = end.prop_map(move |end| end.filter(|_| is_hurried));
    let index = any::<prop::sample::Index>;
    let event = prop_oneof![
        6 => (not_before, end).prop_map(|(not_before, ends_at)| Event::Enter { not_before, ends_at }),
        1 => index().prop_map(Event::Poll),
        1 => index().prop_map(Event::Leave),
        4 => (index(), answers()).prop_map(|(index, answer)| Event::Hear(index, answer)),
        1 => index().prop_map(Event::Resend),
        1 => index().prop_map(Event::Lose),
        4 => prop_oneof![0..50_u64, 0..1_500_u64].prop_map(Event::Advance),
    ];
    prop::collection::vec(event, 0..150)
}

/// The crowd asserts the order, the deadlines and how many wait; here it is asserted that nobody goes while the
/// server wants quiet, and that nobody is forgotten.
fn play(pace: Pace, waiters: usize, events: Vec<Event>) {
    let mut crowd = Crowd::new(pace.longest(LONGEST).waiters(waiters));
    let mut closed_until = Duration::ZERO;
    for event in events {
        let under_way = crowd.under_way.len();
        match event {
            Event::Enter { not_before, ends_at } => {
                let (start, end) = (crowd.now + ms(not_before), ends_at.map(|end| crowd.now + ms(end)));
                let ticket = crowd.enter().not_before(start).ends_at(end);
                crowd.poll(&ticket);
            }
            Event::Poll(index) => {
                if let Some(ticket) = waiter(&crowd, index) {
                    crowd.poll(&ticket);
                }
            }
            Event::Leave(index) => {
                if let Some(ticket) = waiter(&crowd, index) {
                    crowd.line.remove(&ticket);
                    crowd.pace.leave(&ticket);
                    crowd.settle();
                }
            }
            Event::Hear(index, answer) if under_way > 0 => {
                let (_, pass) = crowd.under_way.remove(index.index(under_way));
                closed_until = closed_until.max(crowd.now + answer.quiet());
                crowd.pace.observe(pass, &(&answer.response()).into(), moment(crowd.now));
                crowd.settle();
            }
            Event::Resend(index) if under_way > 0 => {
                let (ticket, pass) = crowd.under_way.remove(index.index(under_way));
                closed_until = closed_until.max(crowd.now + ms(700));
                let response = Answer::Hinted(700).response();
                crowd.pace.observe(pass, &(&response).into(), moment(crowd.now));
                crowd.settle();
                crowd.poll(&ticket);
            }
            Event::Lose(index) if under_way > 0 => {
                let (_, pass) = crowd.under_way.remove(index.index(under_way));
                crowd.pace.lose(pass);
                crowd.settle();
            }
            Event::Hear(..) | Event::Resend(_) | Event::Lose(_) => {}
            Event::Advance(millis) => crowd.advance_to(crowd.now + ms(millis)),
        }
        let latest = crowd.under_way.iter().skip(under_way).map(|(_, pass)| pass.sent_at).min();
        assert!(
            latest.is_none_or(|sent| sent >= closed_until),
            "{latest:?}, but closed until {closed_until:?}"
        );
        assert!(crowd.pace.waiting() <= waiters);
    }
    finish(crowd);
}

fn waiter(crowd: &Crowd, index: prop::sample::Index) -> Option<Ticket> {
    let count = crowd.line.len();
    (count > 0).then(|| *crowd.line.keys().nth(index.index(count)).unwrap())
}

/// From now on the server is fine.
fn finish(mut crowd: Crowd) {
    let waiting: Vec<_> = crowd.line.keys().copied().collect();
    let start = crowd.now;
    crowd.refusals.clear();
    crowd.run(|_| (Answer::Fine.response(), ms(10)));
    for ticket in waiting {
        let is_refused =
            crowd.refusals.contains(&(ticket, PaceRejection::Deadline)) && ticket.ends_at.is_some();
        assert!(crowd.served.contains(&ticket.number) || is_refused, "forgotten: {ticket:?}");
    }
    assert_eq!(crowd.pace.waiting(), 0);
    // What an announced quota makes of the longest time, for each at the worst.
    let longest = LONGEST * 200 + Duration::from_secs(200);
    assert!(crowd.now - start <= longest, "{:?}", crowd.now - start);
}

proptest! {
    #[test]
    fn nobody_goes_too_early_or_out_of_turn_or_is_forgotten(
        events in events(false),
        is_slow in any::<bool>(),
        waiters in prop_oneof![3 => Just(1_000), 1 => 0..10_usize],
    ) {
        let pace = Pace::per_authority();
        play(if is_slow { pace.slow_start() } else { pace }, waiters, events);
    }

    #[test]
    fn nor_where_some_have_no_time_to_lose(
        events in events(true),
        waiters in prop_oneof![3 => Just(1_000), 1 => 0..10_usize],
    ) {
        play(Pace::per_authority(), waiters, events);
    }
}
