mod announced;
mod bounds;
mod crowd;
mod deadlines;
mod extremes;
mod fairness;
mod gate;
mod hints;
mod keys;
mod learning;
mod probe;
mod properties;
mod server;
mod slow_start;
mod wakes;

use std::time::SystemTime;

use http::{HeaderName, HeaderValue, Request, Response, StatusCode};

use super::*;

type Lines<'a> = &'a [(&'a str, &'a str)];

/// Callers who are driven by hand. Time moves only by the test.
struct Hand {
    pace: Pace,
    now: Duration,
}

impl Hand {
    fn new(pace: Pace) -> Self {
        Self { pace, now: Duration::ZERO }
    }

    /// A pace that one call has taught to keep quiet for a second.
    fn closed(pace: Pace) -> Self {
        let mut hand = Self::new(pace);
        hand.close(&[("retry-after", "1")]);
        hand
    }

    /// One call that is refused.
    #[track_caller]
    fn close(&mut self, lines: Lines<'_>) {
        let ticket = self.enter();
        let pass = self.go(&ticket);
        self.hear(pass, 429, lines);
    }

    fn enter(&mut self) -> Ticket {
        self.pace.enter(&(&request("https://api.example/")).into())
    }

    /// A newcomer who is in line, or else it fails.
    #[track_caller]
    fn enter_and_wait(&mut self) -> Ticket {
        let ticket = self.enter();
        self.wait(&ticket);
        ticket
    }

    fn poll(&mut self, ticket: &Ticket) -> Admission {
        self.pace.poll(ticket, self.now)
    }

    #[track_caller]
    fn go(&mut self, ticket: &Ticket) -> Permit {
        match self.poll(ticket) {
            Admission::Go(pass) => pass,
            other => panic!("{other:?} at {:?}", self.now),
        }
    }

    /// A newcomer who is first in line goes as soon as they may.
    #[track_caller]
    fn go_in_time(&mut self) -> Permit {
        let ticket = self.enter();
        loop {
            match self.poll(&ticket) {
                Admission::Go(pass) => return pass,
                Admission::Wait(Some(until)) if until > self.now => self.now = until,
                other => panic!("{other:?} at {:?}", self.now),
            }
        }
    }

    /// Until when it is told to wait.
    #[track_caller]
    fn wait(&mut self, ticket: &Ticket) -> Option<Duration> {
        match self.poll(ticket) {
            Admission::Wait(until) => until,
            other => panic!("{other:?} at {:?}", self.now),
        }
    }

    #[track_caller]
    fn refused(&mut self, ticket: &Ticket) -> PaceRejection {
        match self.poll(ticket) {
            Admission::Rejected(refusal) => refusal,
            other => panic!("{other:?} at {:?}", self.now),
        }
    }

    fn hear(&mut self, pass: Permit, status: u16, lines: Lines<'_>) {
        self.pace.observe(pass, &(&answer(status, lines)).into(), moment(self.now));
    }

    /// All who are woken, in their order.
    fn wakes(&mut self) -> Vec<Ticket> {
        std::iter::from_fn(|| self.pace.wake()).collect()
    }

    /// When a newcomer may go who leaves again.
    #[track_caller]
    fn opening(&mut self) -> Duration {
        let ticket = self.enter();
        match self.poll(&ticket) {
            Admission::Go(pass) => {
                self.pace.lose(pass);
                self.now
            }
            Admission::Wait(until) => {
                self.pace.leave(&ticket);
                until.expect("others are in line")
            }
            Admission::Rejected(refusal) => panic!("{refusal}"),
        }
    }
}

fn request(uri: &str) -> Request<()> {
    Request::get(uri).body(()).unwrap()
}

fn answer(status: u16, lines: Lines<'_>) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in lines {
        let value = HeaderValue::from_str(value).unwrap();
        response.headers_mut().append(HeaderName::try_from(*name).unwrap(), value);
    }
    response
}

/// The wall clock starts with the year 2026.
fn moment(now: Duration) -> ClockReading {
    let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    ClockReading::new(now, wall.checked_add(now).unwrap_or(wall))
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const NANO: Duration = Duration::from_nanos(1);

#[test]
fn all_parts_may_be_shared_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<Pace>();
    check::<Ticket>();
    check::<Permit>();
    check::<Admission>();
    check::<PaceRejection>();
}

#[test]
fn a_pace_says_what_it_is_set_to_and_how_many_wait() {
    let mut hand = Hand::closed(Pace::per_authority().slow_start());
    hand.enter_and_wait();
    assert_eq!(
        format!("{:?}", hand.pace),
        "Pace { longest: 120s, slow_start: true, keys: 1, waiting: 1, .. }"
    );
}
