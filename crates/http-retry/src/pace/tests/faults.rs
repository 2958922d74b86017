//! Requests that are each refused for a reason of their own stop no other request.

use super::*;
use crate::pace::constants::REFUSED_BY_LIMIT;

/// A key of a server that serves all but the requests at fault.
struct Server {
    pace: Pace,
    status: u16,
    now: Duration,
}

impl Server {
    fn new(status: u16) -> Self {
        Self { pace: Pace::per_authority(), status, now: START }
    }

    /// Sends a request at fault, which is refused.
    fn refuse(&mut self, request: &mut Ticket) {
        let permit = go(&self.pace, request, self.now);
        self.now += ms(5);
        settle(&self.pace, permit, &response(self.status, Some(1)), self.now);
        request.not_before(self.now + secs(1));
        self.now += ms(30);
    }

    fn serve(&mut self, requests: u32) {
        for _ in 0..requests {
            let permit = go(&self.pace, &mut self.ticket(), self.now);
            self.now += ms(5);
            settle(&self.pace, permit, &response(200, None), self.now);
        }
    }

    /// Serves requests that wait for their turn.
    fn serve_in_turn(&mut self, requests: u32) {
        for _ in 0..requests {
            let permit = self.next_turn(&mut self.ticket());
            self.now += ms(5);
            settle(&self.pace, permit, &response(200, None), self.now);
        }
    }

    /// Refuses a request that waits for its turn, without a hint.
    fn refuse_in_turn(&mut self, request: &mut Ticket) {
        let permit = self.next_turn(request);
        self.now += ms(5);
        settle(&self.pace, permit, &response(self.status, None), self.now);
        request.not_before(self.now + secs(1));
    }

    fn next_turn(&mut self, request: &mut Ticket) -> Permit {
        loop {
            match self.pace.poll(request, self.now, None) {
                Admission::Go(permit) => return permit,
                Admission::Wait { until, .. } => self.now = until,
                Admission::Rejected(rejection) => panic!("{rejection}"),
            }
        }
    }

    fn ticket(&self) -> Ticket {
        ticket(&self.pace, "key", "")
    }

    fn rate(&self) -> Option<f64> {
        self.pace.report(&self.ticket(), self.now).rate
    }

    #[track_caller]
    fn check_goes_on(&mut self) {
        let report = self.pace.report(&self.ticket(), self.now);
        assert_eq!((report.stopped_for, report.rate), (None, None), "{report}");
        self.serve(1);
    }
}

#[test]
fn the_key_goes_on_when_only_requests_at_fault_are_left() {
    for status in [429, 503, 529] {
        let mut server = Server::new(status);
        server.serve(50);
        let mut at_fault = [(); 5].map(|()| server.ticket());
        for request in &mut at_fault {
            server.refuse(request);
            server.serve(30);
        }
        server.now += secs(1);
        for request in &mut at_fault {
            server.refuse(request);
            server.serve(30);
        }
        for _ in 0..4 {
            server.now += secs(1);
            for request in &mut at_fault {
                server.refuse(request);
            }
        }
        server.check_goes_on();
    }
}

#[test]
fn a_request_at_fault_is_known_although_another_one_was_just_refused() {
    for status in [429, 503, 529] {
        let mut server = Server::new(status);
        server.serve(50);
        let mut at_fault = [(); 4].map(|()| server.ticket());
        for request in &mut at_fault[..3] {
            server.refuse(request);
            server.serve(10);
        }
        server.now += secs(1);
        // The last one is refused for the first time, and then the others once more, with nothing served between.
        let [first, second, third, last] = &mut at_fault;
        for request in [last, first, second, third] {
            server.refuse(request);
        }
        server.check_goes_on();
    }
}

#[test]
fn a_limit_of_how_many_at_a_time_is_dropped_if_requests_at_fault_looked_like_one() {
    let mut server = Server::new(429);
    server.serve(50);
    let others = [(); 4].map(|()| go(&server.pace, &mut server.ticket(), server.now));
    let at_a_time = |server: &Server| server.pace.report(&server.ticket(), server.now).at_a_time;
    let mut at_fault = Vec::new();
    while at_a_time(&server).is_none() {
        assert!(at_fault.len() < 10, "no limit is claimed");
        at_fault.push(server.ticket());
        server.refuse_in_turn(at_fault.last_mut().unwrap());
    }
    others.into_iter().for_each(|permit| _ = settle(&server.pace, permit, &response(200, None), server.now));
    for request in &mut at_fault {
        server.serve_in_turn(10);
        server.refuse_in_turn(request);
    }
    assert_eq!(at_a_time(&server), None);
}

#[test]
fn a_limit_that_has_served_whom_it_refused_may_refuse_a_request_again() {
    let mut server = Server::new(429);
    server.serve(50);
    let mut refused = Vec::new();
    while server.rate().is_none() {
        assert!(refused.len() < 20, "no limit is claimed");
        refused.push(server.ticket());
        server.refuse_in_turn(refused.last_mut().unwrap());
        server.serve_in_turn(1);
    }
    for request in &mut refused {
        let permit = server.next_turn(request);
        settle(&server.pace, permit, &response(200, None), server.now);
    }
    // The first refusal ends the search for the rate.
    server.serve_in_turn(30);
    server.refuse_in_turn(&mut server.ticket());
    let mut request = server.ticket();
    for number in 1..=REFUSED_BY_LIMIT {
        server.serve_in_turn(30);
        let before = server.rate();
        server.refuse_in_turn(&mut request);
        assert!(server.rate() < before, "refusal {number} tells nothing of the limit");
    }
}

#[test]
fn good_requests_go_on_beside_more_that_are_always_refused() {
    for status in [429, 503, 529] {
        let mut server = Server::new(status);
        let mut at_fault = std::collections::VecDeque::new();
        for _ in 0..20 {
            at_fault.extend([(); 3].map(|()| server.ticket()));
            at_fault.iter_mut().for_each(|request| server.refuse_in_turn(request));
            at_fault.drain(..at_fault.len().saturating_sub(6));
            server.serve_in_turn(2);
        }
        // Nothing is served between these.
        server.now += secs(2);
        for _ in 0..5 {
            at_fault.extend([(); 3].map(|()| server.ticket()));
            at_fault.iter_mut().for_each(|request| server.refuse(request));
            server.now += secs(2);
        }
        server.check_goes_on();
    }
}

#[test]
fn a_standstill_stops_all_once_requests_that_were_refused_are_served_again() {
    for (acquitted, is_stopped) in [(0, false), (4, true)] {
        let mut server = Server::new(429);
        let mut at_fault = [(); 3].map(|()| server.ticket());
        for _ in 0..20 {
            at_fault.iter_mut().for_each(|request| server.refuse_in_turn(request));
            server.serve_in_turn(2);
        }
        server.check_goes_on();
        for _ in 0..acquitted {
            let mut request = server.ticket();
            server.refuse_in_turn(&mut request);
            server.now += secs(2);
            let permit = server.next_turn(&mut request);
            settle(&server.pace, permit, &response(200, None), server.now);
        }
        (0..20).for_each(|_| server.refuse_in_turn(&mut server.ticket()));
        let report = server.pace.report(&server.ticket(), server.now);
        assert_eq!(report.stopped_for.is_some(), is_stopped, "{acquitted}: {report}");
    }
}
