//! Requests that are sent before their key is known: a credential, and a model that stands in the body.

mod learning;
mod properties;

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::*;

/// A pace by credential and model. The model of a request with `x-late` is not known.
fn by_parts() -> Pace {
    Pace::per_parts(
        |head, mut hasher| head.header("authorization").hash(&mut hasher),
        |head, mut hasher| {
            head.header("x-model").hash(&mut hasher);
            head.header("x-late").is_none()
        },
    )
}

/// A ticket of a request of a credential, with its model unless it is late.
fn ticket_of(pace: &Pace, credential: &str, model: Option<&str>) -> Ticket {
    let request = Request::post("/").header("authorization", credential);
    let request = match model {
        Some(model) => request.header("x-model", model),
        None => request.header("x-late", ""),
    };
    pace.ticket(&RequestHead::from(&request.body(()).unwrap()))
}

fn may_hold(pace: &Pace, credential: &str, now: Duration) -> bool {
    let request = Request::post("/").header("authorization", credential).body(()).unwrap();
    pace.may_hold(&RequestHead::from(&request), || now)
}

/// A late request in flight.
struct Late {
    ticket: Ticket,
    permit: Permit,
    credential: &'static str,
}

impl Late {
    #[track_caller]
    fn send(pace: &Pace, credential: &'static str, now: Duration) -> Self {
        Self::try_send(pace, credential, now).expect("nobody is short")
    }

    fn try_send(pace: &Pace, credential: &'static str, now: Duration) -> Option<Self> {
        let mut ticket = ticket_of(pace, credential, None);
        assert!(ticket.is_late());
        let permit = pace.admit_free(&mut ticket, now)?;
        Some(Self { ticket, permit, credential })
    }

    /// Settles it, and returns its ticket and whether its model was asked for.
    fn settle(self, pace: &Pace, model: &str, answer: &Response<()>, now: Duration) -> (Ticket, bool) {
        let Self { mut ticket, permit, credential } = self;
        let mut is_named = false;
        let name = || {
            is_named = true;
            ticket_of(pace, credential, Some(model))
        };
        let clock = || ClockReading::new(now, SystemTime::UNIX_EPOCH);
        let _ = pace.settle_late(&mut ticket, permit, &ResponseHead::from(answer), name, clock);
        (ticket, is_named)
    }
}

fn in_flight(pace: &Pace, model: &str, now: Duration) -> u64 {
    pace.report(&ticket_of(pace, "a", Some(model)), now).in_flight
}

#[test]
fn a_free_ticket_asks_for_the_second_part_only_once_it_matters() {
    let asked = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&asked);
    let pace = Pace::per_parts(
        |head, mut hasher| head.header("authorization").hash(&mut hasher),
        move |head, mut hasher| {
            count.fetch_add(1, Relaxed);
            head.header("x-model").hash(&mut hasher);
            true
        },
    );
    let request = Request::post("/").header("authorization", "a").header("x-model", "m").body(()).unwrap();
    let head = RequestHead::from(&request);
    let asks = |expected| assert_eq!(asked.swap(0, Relaxed), expected);
    let send = |now| {
        let mut ticket = pace.free_ticket(&head, now);
        let permit = pace.admit_free(&mut ticket, now);
        (ticket, permit)
    };
    let settle = |(mut ticket, permit): (Ticket, Option<Permit>), answer: &Response<()>| {
        let clock = || ClockReading::new(START, SystemTime::UNIX_EPOCH);
        let name = || pace.ticket(&head);
        let _ = pace.settle_late(&mut ticket, permit.unwrap(), &ResponseHead::from(answer), name, clock);
        ticket
    };
    let served = send(START);
    assert!(served.0.is_late());
    assert!(settle(served, &response(200, None)).is_late());
    asks(0);
    let refused = settle(send(START), &response(429, Some(5)));
    asks(1);
    assert_eq!(refused.key, pace.ticket(&head).key);
    asks(1);
    let (ticket, permit) = send(START);
    asks(1);
    assert!(!ticket.is_late() && permit.is_none(), "the key is held");
}

#[test]
fn a_served_request_needs_no_key() {
    let pace = by_parts();
    for call in 0..100 {
        let (ticket, is_named) =
            Late::send(&pace, "a", START).settle(&pace, "m", &response(200, None), START);
        assert!(ticket.is_late() && !is_named, "{call}");
    }
    assert_eq!((pace.key_count(), may_hold(&pace, "a", START)), (1, false), "the group is all there is");
    let mut known = ticket_of(&pace, "a", Some("m"));
    assert!(!known.is_late() && pace.admit_free(&mut known, START).is_some());
}

#[test]
fn refusals_of_late_requests_stop_their_own_key_only() {
    let pace = by_parts();
    let mut now = START;
    let sent: Vec<_> = (0..20)
        .map(|_| {
            now += ms(10);
            Late::send(&pace, "a", now)
        })
        .collect();
    now += ms(50);
    let mut refused = None;
    for late in sent {
        let (ticket, is_named) = late.settle(&pace, "m", &response(429, Some(30)), now);
        assert!(is_named && !ticket.is_late());
        refused = Some(ticket);
    }
    assert!(may_hold(&pace, "a", now) && !may_hold(&pace, "b", now));
    assert!(Late::try_send(&pace, "a", now).is_none(), "its key may be the one that is short");
    now += ms(400);
    let mut same = ticket_of(&pace, "a", Some("m"));
    let (until, why) = wait(&pace, &mut same, now);
    assert!(why == Why::Stopped && until > now + secs(10), "{why:?} {until:?}");
    pace.lose(go(&pace, &mut ticket_of(&pace, "a", Some("other")), now), now);
    Late::send(&pace, "b", now);
    // The refused request itself waits in the queue of its key.
    let mut refused = refused.unwrap();
    refused.not_before(now + secs(30));
    assert_eq!(wait(&pace, &mut refused, now).1, Why::OwnHint);
    assert_eq!(pace.report(&same, now).waiting, 2);
}

#[test]
fn one_refusal_is_watched_for_some_seconds() {
    let pace = by_parts();
    Late::send(&pace, "a", START).settle(&pace, "m", &response(429, None), START);
    assert!(may_hold(&pace, "a", START) && may_hold(&pace, "a", START + secs(9)));
    assert!(!may_hold(&pace, "a", START + secs(12)));
    // Refusals that are minutes apart are no limit, if most calls between them were served.
    let mut now = START;
    for _ in 0..50 {
        now += secs(60);
        for _ in 0..100 {
            Late::send(&pace, "a", now).settle(&pace, "m", &response(200, None), now);
        }
        Late::send(&pace, "a", now).settle(&pace, "m", &response(429, None), now);
    }
    assert_eq!(pace.report(&ticket_of(&pace, "a", Some("m")), now).why, None);
}

#[test]
fn a_key_counts_the_late_requests_that_are_in_flight() {
    let pace = by_parts();
    let now = START + ms(50);
    let mut sent: Vec<_> = (0..5).map(|_| Late::send(&pace, "a", START)).collect();
    sent.pop().unwrap().settle(&pace, "m", &response(429, None), now);
    assert_eq!(in_flight(&pace, "m", now), 4);
    let late = sent.pop().unwrap();
    pace.lose(late.permit, now);
    let (_, is_named) = sent.pop().unwrap().settle(&pace, "m", &response(200, None), now);
    assert!(is_named);
    sent.pop().unwrap().settle(&pace, "m", &response(503, None), now);
    assert_eq!(in_flight(&pace, "m", now), 1);
    sent.pop().unwrap().settle(&pace, "other", &response(429, None), now);
    assert_eq!((in_flight(&pace, "m", now), in_flight(&pace, "other", now)), (0, 0));
}

fn announced(remaining: u64) -> Response<()> {
    let mut head = response(200, None);
    head.headers_mut().insert("ratelimit", format!(r#""a";r={remaining};t=20"#).parse().unwrap());
    head.headers_mut().insert("ratelimit-policy", r#""a";q=100;w=30"#.parse().unwrap());
    head
}

#[test]
fn as_many_late_requests_go_as_an_announced_quota_has_room_for() {
    let pace = by_parts();
    Late::send(&pace, "a", START).settle(&pace, "m", &announced(30), START);
    assert!(!may_hold(&pace, "a", START));
    let sent: Vec<_> = std::iter::from_fn(|| Late::try_send(&pace, "a", START)).take(100).collect();
    assert_eq!(sent.len(), 20, "a tenth of 100 is kept for those whose key is known");
    assert!(may_hold(&pace, "a", START));
    for (late, left) in sent.into_iter().zip((0..30).rev()) {
        late.settle(&pace, "m", &announced(left), START + ms(10));
    }
    let mut known: Vec<_> = (0..20).map(|_| ticket_of(&pace, "a", Some("m"))).collect();
    let is_sent = |ticket: &mut Ticket| matches!(pace.poll(ticket, START + ms(20), None), Admission::Go(_));
    let count = known.iter_mut().map(is_sent).filter(|is_sent| *is_sent).count();
    assert_eq!(count, 10);
}

#[test]
fn a_slow_start_reads_the_key_of_all_but_one() {
    let pace = by_parts().slow_start();
    assert!(!may_hold(&pace, "a", START));
    let first = Late::send(&pace, "a", START);
    assert!(may_hold(&pace, "a", START) && Late::try_send(&pace, "a", START).is_none());
    first.settle(&pace, "m", &response(200, None), START);
    assert!(!may_hold(&pace, "a", START) && Late::try_send(&pace, "a", START).is_some());
}

#[test]
fn a_late_request_that_is_polled_has_the_default_part() {
    let pace = by_parts();
    let mut late = ticket_of(&pace, "a", None);
    let permit = go(&pace, &mut late, START);
    let request = Request::post("/").header("authorization", "a").body(()).unwrap();
    let without = pace.ticket(&RequestHead::from(&request));
    assert_eq!((permit.is_late, pace.report(&without, START).in_flight), (false, 1));
    pace.lose(permit, START);
}

#[test]
fn a_resend_after_a_lost_send_has_the_key() {
    let pace = by_parts();
    let Late { mut ticket, permit, .. } = Late::send(&pace, "a", START);
    pace.lose(permit, START);
    pace.name(&mut ticket, &ticket_of(&pace, "a", Some("m")));
    let permit = go(&pace, &mut ticket, START);
    assert_eq!((permit.is_late, permit.attempts, in_flight(&pace, "m", START)), (false, 1, 1));
}

#[cfg(feature = "fleet")]
#[test]
fn the_members_of_a_fleet_hash_both_parts_as_a_pair() {
    let id = |bytes: &[u8]| {
        crate::fleet::Id::new(bytes.iter().fold(7, |id: u128, byte| id.wrapping_mul(257) + u128::from(*byte)))
    };
    let pair = |head: &RequestHead<'_>| {
        (head.header("authorization").map(str::to_owned), head.header("x-model").map(str::to_owned))
    };
    let (parts, pair) = (by_parts().fleet("a", ms(200), id), Pace::per(pair).fleet("a", ms(200), id));
    let [one, other] = [&parts, &pair].map(|pace| pace.id_of_key(&ticket_of(pace, "a", Some("m"))));
    assert!(one.is_some() && one == other);
    assert_eq!(parts.id_of_key(&ticket_of(&parts, "a", None)), None);
}
