//! A waker may call the pace when it is woken and when it is dropped, and a clock when it is read, so none of it happens
//! under a lock.

use std::sync::atomic::AtomicUsize;
use std::sync::mpsc;
use std::thread;

use super::*;

/// A waker that calls the pace for its key.
struct CallsBack {
    pace: Arc<Pace>,
    counts: Arc<Counts>,
    now: Duration,
}

#[derive(Debug, Default)]
struct Counts {
    woken: AtomicUsize,
    dropped: AtomicUsize,
}

impl Counts {
    fn woken(&self) -> usize {
        self.woken.load(SeqCst)
    }

    fn dropped(&self) -> usize {
        self.dropped.load(SeqCst)
    }
}

impl CallsBack {
    fn call(&self) {
        let mut ticket = ticket(&self.pace, "key", "waker");
        if let Admission::Go(permit) = self.pace.poll(&mut ticket, self.now, None) {
            self.pace.lose(permit, self.now);
        }
        self.pace.leave(&mut ticket, self.now);
        let _ = (self.pace.waiting(), self.pace.reports(self.now, 10), self.pace.report(&ticket, self.now));
    }
}

impl Wake for CallsBack {
    fn wake(self: Arc<Self>) {
        self.counts.woken.fetch_add(1, SeqCst);
        self.call();
    }
}

impl Drop for CallsBack {
    fn drop(&mut self) {
        self.counts.dropped.fetch_add(1, SeqCst);
        self.call();
    }
}

/// Runs a scenario at a stopped key, in a thread so that a deadlock fails. `poll` polls a ticket with a new waker, which only
/// the pace keeps.
fn check(scenario: impl FnOnce(&Scenario) + Send + 'static) {
    let (done, is_done) = mpsc::channel();
    let thread = thread::spawn(move || {
        let pace = Arc::new(fair(Pace::per_authority()).waiters(64));
        let (now, end) = stop(&pace, "key", START, 2);
        scenario(&Scenario { pace, counts: Arc::default(), now, end });
        let _ = done.send(());
    });
    match is_done.recv_timeout(Duration::from_secs(20)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("code of the caller runs under a lock"),
        _ => thread.join().unwrap(),
    }
}

struct Scenario {
    pace: Arc<Pace>,
    counts: Arc<Counts>,
    now: Duration,
    end: Duration,
}

impl Scenario {
    fn ticket(&self, tenant: &str) -> Ticket {
        ticket(&self.pace, "key", tenant)
    }

    fn poll(&self, ticket: &mut Ticket, now: Duration) -> Admission {
        let (pace, counts) = (Arc::clone(&self.pace), Arc::clone(&self.counts));
        let waker = Waker::from(Arc::new(CallsBack { pace, counts, now }));
        self.pace.poll(ticket, now, Some(&waker))
    }

    #[track_caller]
    fn wait(&self, ticket: &mut Ticket, now: Duration) {
        let dropped = self.counts.dropped();
        let answer = self.poll(ticket, now);
        assert!(matches!(answer, Admission::Wait { .. }), "{answer:?}");
        assert!(self.counts.dropped() - dropped <= 1);
    }
}

#[test]
fn a_waker_that_is_replaced_is_dropped_outside() {
    check(|scenario| {
        let mut ticket = scenario.ticket("");
        scenario.wait(&mut ticket, scenario.now);
        assert_eq!(scenario.counts.dropped(), 0);
        scenario.wait(&mut ticket, scenario.now);
        assert_eq!((scenario.counts.dropped(), scenario.counts.woken()), (1, 0));
    });
}

#[test]
fn the_waker_of_a_request_that_leaves_is_dropped_outside() {
    check(|scenario| {
        let mut ticket = scenario.ticket("");
        scenario.wait(&mut ticket, scenario.now);
        scenario.pace.leave(&mut ticket, scenario.now);
        assert_eq!((scenario.counts.dropped(), scenario.counts.woken()), (1, 0));
    });
}

#[test]
fn the_waker_of_a_request_that_is_sent_is_dropped_outside() {
    check(|scenario| {
        let mut ticket = scenario.ticket("");
        scenario.wait(&mut ticket, scenario.now);
        let permit = go(&scenario.pace, &mut ticket, scenario.end + ms(1));
        assert_eq!((scenario.counts.dropped(), scenario.counts.woken()), (1, 0));
        scenario.pace.lose(permit, scenario.end + ms(1));
    });
}

#[test]
fn the_waker_of_a_request_whose_deadline_is_over_is_dropped_outside() {
    check(|scenario| {
        let mut ticket = scenario.ticket("");
        ticket.deadline(scenario.end + ms(1));
        scenario.wait(&mut ticket, scenario.now);
        assert_eq!(rejected(&scenario.pace, &mut ticket, scenario.end + ms(2)), PaceRejection::TooLong);
        assert_eq!(scenario.counts.dropped(), 1);
    });
}

#[test]
fn a_request_that_makes_room_is_woken_outside() {
    check(|scenario| {
        let tenants = ["a", "a", "a", "a", "b", "b", "b", "b", "c", "c", "c", "c", "d", "d", "d", "d"];
        let mut tickets: Vec<_> = tenants.iter().map(|tenant| scenario.ticket(tenant)).collect();
        tickets.iter_mut().for_each(|ticket| scenario.wait(ticket, scenario.now));
        assert_eq!(scenario.pace.waiting(), 16);
        let mut late = scenario.ticket("e");
        let answer = scenario.pace.poll(&mut late, scenario.now, None);
        assert!(matches!(answer, Admission::Wait { .. }), "{answer:?}");
        assert!(scenario.counts.woken() >= 1);
    });
}

#[test]
fn requests_are_woken_outside_when_a_slot_comes() {
    for event in ["settle", "lose", "leave"] {
        check(move |scenario| {
            let (now, end) = (scenario.end + ms(1), scenario.end + ms(2));
            let (mut first, mut second) = (scenario.ticket(""), scenario.ticket(""));
            scenario.wait(&mut first, scenario.now);
            scenario.wait(&mut second, scenario.now);
            if event == "leave" {
                scenario.pace.leave(&mut first, end + ms(1));
            } else {
                let probe = go(&scenario.pace, &mut first, now);
                scenario.wait(&mut second, now);
                match event {
                    "settle" => _ = settle(&scenario.pace, probe, &response(200, None), end),
                    _ => scenario.pace.lose(probe, end),
                }
            }
            assert!(scenario.counts.woken() >= 1, "{event}");
        });
    }
}

#[test]
fn the_clock_is_read_outside() {
    check(|Scenario { pace, end, .. }| {
        let probe = go(pace, &mut ticket(pace, "key", ""), *end);
        let refusal = response(429, Some(1));
        let settlement = pace.settle(probe, &ResponseHead::from(&refusal), || {
            let report = pace.report(&ticket(pace, "key", ""), *end);
            assert_eq!(report.why, Some(Why::Probe));
            ClockReading::new(*end + ms(5), SystemTime::UNIX_EPOCH)
        });
        assert!(settlement.is_uncounted);
    });
}
