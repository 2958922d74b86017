//! The promises of the pace, through its public API.

mod bad_input;
mod fairness;
mod fallen_limit;
mod faults;
#[cfg(feature = "fleet")]
mod fleet;
mod full_queue;
mod keys;
mod late;
mod long_stop;
mod memory;
mod offers;
mod open_sends;
mod polls;
mod properties;
mod recovery;
mod refused_in_front;
mod resources;
mod slow_start;
mod unwell;
mod wakers;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Wake, Waker};
use std::time::SystemTime;

use http::{Request, Response};

use super::*;

const TENANT: &str = "x-tenant";
/// An hour after the moment from which times count.
const START: Duration = Duration::from_secs(3_600);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A ticket of a request to `http://key/` from a tenant.
fn ticket(pace: &Pace, key: &str, tenant: &str) -> Ticket {
    let request = Request::get(format!("http://{key}/")).header(TENANT, tenant).body(()).unwrap();
    pace.ticket(&RequestHead::from(&request))
}

fn fair(pace: Pace) -> Pace {
    pace.fair_by(|head| head.header(TENANT).map(str::to_owned))
}

fn response(status: u16, retry_after: Option<u64>) -> Response<()> {
    let response = Response::builder().status(status);
    match retry_after {
        Some(secs) => response.header("retry-after", secs),
        None => response,
    }
    .body(())
    .unwrap()
}

fn settle(pace: &Pace, permit: Permit, response: &Response<()>, now: Duration) -> Settlement {
    pace.settle(permit, &ResponseHead::from(response), || ClockReading::new(now, SystemTime::UNIX_EPOCH))
}

#[track_caller]
fn go(pace: &Pace, ticket: &mut Ticket, now: Duration) -> Permit {
    match pace.poll(ticket, now, None) {
        Admission::Go(permit) => permit,
        other => panic!("no permit: {other:?}"),
    }
}

#[track_caller]
fn wait(pace: &Pace, ticket: &mut Ticket, now: Duration) -> (Duration, Why) {
    match pace.poll(ticket, now, None) {
        Admission::Wait { until, why } => (until, why),
        other => panic!("no wait: {other:?}"),
    }
}

#[track_caller]
fn rejected(pace: &Pace, ticket: &mut Ticket, now: Duration) -> PaceRejection {
    match pace.poll(ticket, now, None) {
        Admission::Rejected(rejection) => rejection,
        other => panic!("no rejection: {other:?}"),
    }
}

/// Sends calls of a key and refuses them all, until the key is stopped. Returns the time then, and when the stop ends.
fn stop(pace: &Pace, key: &str, now: Duration, hint: u64) -> (Duration, Duration) {
    let refusal = response(429, Some(hint));
    let mut now = now;
    for _ in 0..20 {
        let mut permits = Vec::new();
        for _ in 0..20 {
            if let Admission::Go(permit) = pace.poll(&mut ticket(pace, key, "stopper"), now, None) {
                permits.push(permit);
            }
            now += ms(10);
        }
        for permit in permits {
            settle(pace, permit, &refusal, now);
        }
        now += ms(200);
        // The answers are judged after a while, by whoever asks.
        let mut asks = ticket(pace, key, "stopper");
        if let Admission::Go(permit) = pace.poll(&mut asks, now, None) {
            settle(pace, permit, &refusal, now);
        }
        pace.leave(&mut asks, now);
        if let Some(left) = pace.report(&ticket(pace, key, ""), now).stopped_for {
            return (now, now + left);
        }
    }
    panic!("the key does not stop");
}

/// A waker that says whether it was woken.
#[derive(Debug, Default)]
struct Flag(AtomicBool);

impl Flag {
    fn new() -> (Arc<Self>, Waker) {
        let flag = Arc::new(Self::default());
        (Arc::clone(&flag), Waker::from(flag))
    }

    /// Returns whether it was woken since the last call.
    fn take(&self) -> bool {
        self.0.swap(false, SeqCst)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// A request that waits, polled like a task: when it is woken, and at its time.
struct Caller {
    name: String,
    ticket: Ticket,
    flag: Arc<Flag>,
    waker: Waker,
    until: Duration,
}

impl Caller {
    fn new(pace: &Pace, key: &str, name: &str) -> Self {
        let (flag, waker) = Flag::new();
        Self { name: name.to_owned(), ticket: ticket(pace, key, name), flag, waker, until: Duration::ZERO }
    }

    /// Polls, and returns the answer unless the request waits.
    fn poll(&mut self, pace: &Pace, now: Duration) -> Option<Result<Permit, PaceRejection>> {
        match pace.poll(&mut self.ticket, now, Some(&self.waker)) {
            Admission::Wait { until, .. } => {
                self.until = until;
                None
            }
            Admission::Go(permit) => Some(Ok(permit)),
            Admission::Rejected(rejection) => Some(Err(rejection)),
        }
    }
}

/// Polls all callers like tasks, with a server that serves each call within 10 ms, until none waits. Returns the names in the
/// order in which they were admitted, and the time.
#[track_caller]
fn drain(
    pace: &Pace,
    mut callers: Vec<Caller>,
    mut now: Duration,
    longest: Duration,
) -> (Vec<String>, Duration) {
    let served = response(200, None);
    let (mut order, mut polls) = (Vec::new(), 0_u64);
    let (end, most_polls) = (now + longest, 2_000 * (callers.len() as u64 + 1));
    while !callers.is_empty() {
        let mut index = 0;
        let mut permits = Vec::new();
        while index < callers.len() {
            let caller = &mut callers[index];
            let is_woken = caller.flag.take();
            if !is_woken && caller.until > now {
                index += 1;
                continue;
            }
            polls += 1;
            match caller.poll(pace, now) {
                None => index += 1,
                Some(Err(rejection)) => panic!("{}: {rejection}", caller.name),
                Some(Ok(permit)) => {
                    permits.push(permit);
                    order.push(callers.remove(index).name);
                }
            }
        }
        for permit in permits {
            settle(pace, permit, &served, now + ms(10));
            now += ms(10);
        }
        let is_woken = callers.iter().any(|caller| caller.flag.0.load(SeqCst));
        let next = callers.iter().map(|caller| caller.until).min().unwrap_or(now);
        if !is_woken {
            now = now.max(next);
        }
        assert!(now <= end, "{} still wait after {longest:?}", callers.len());
        assert!(polls <= most_polls, "{} still wait after {polls} polls", callers.len());
    }
    (order, now)
}
