//! What clients send to the members, and what becomes of it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// One request of a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) member: usize,
    /// The time of the answer.
    pub(crate) at: Instant,
    pub(crate) took: Duration,
    /// `None` if there was no answer.
    pub(crate) status: Option<u16>,
}

/// The calls of a load.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls(pub(crate) Vec<Call>);

/// Sends requests at once, to the members by turns, and waits for all answers.
pub(crate) fn burst(members: &[SocketAddr], requests: usize) -> Calls {
    let calls: Vec<_> = (0..requests).map(|number| send(number % members.len(), members)).collect();
    join(calls)
}

/// Sends requests at a rate, to the members by turns, for some time, and waits for all answers.
pub(crate) fn steady(members: &[SocketAddr], per_second: f64, time: Duration) -> Calls {
    let begin = Instant::now();
    let mut calls = Vec::new();
    loop {
        let due = begin + Duration::from_secs_f64(calls.len() as f64 / per_second);
        if due >= begin + time {
            return join(calls);
        }
        thread::sleep(due.saturating_duration_since(Instant::now()));
        calls.push(send(calls.len() % members.len(), members));
    }
}

/// Sends requests at a rate, to the members by turns, for some time. The server refuses each of them, and nobody waits for the
/// answers.
pub(crate) fn bad(members: &[SocketAddr], per_second: f64, time: Duration) {
    let begin = Instant::now();
    for number in 0..(time.as_secs_f64() * per_second) as usize {
        let due = begin + Duration::from_secs_f64(number as f64 / per_second);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let address = members[number % members.len()];
        thread::spawn(move || call(address, BAD));
    }
}

fn send(member: usize, members: &[SocketAddr]) -> JoinHandle<Call> {
    let address = members[member];
    thread::spawn(move || {
        let begin = Instant::now();
        let status = call(address, "/");
        Call { member, at: Instant::now(), took: begin.elapsed(), status }
    })
}

fn join(calls: Vec<JoinHandle<Call>>) -> Calls {
    Calls(calls.into_iter().map(|call| call.join().unwrap()).collect())
}

fn call(address: SocketAddr, path: &str) -> Option<u16> {
    let mut socket = TcpStream::connect(address).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
    let head =
        format!("GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer a\r\nconnection: close\r\n\r\n");
    socket.write_all(head.as_bytes()).ok()?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).ok()?;
    String::from_utf8_lossy(&answer).split(' ').nth(1)?.parse().ok()
}

/// The path of requests that the server always refuses.
pub(crate) const BAD: &str = "/bad";

impl Calls {
    pub(crate) fn served(&self) -> usize {
        self.0.iter().filter(|call| call.status == Some(200)).count()
    }

    pub(crate) fn failed(&self) -> usize {
        self.0.len() - self.served()
    }

    /// Returns the time from the first request to the last answer.
    pub(crate) fn time(&self) -> f64 {
        let begin = self.0.iter().map(|call| call.at - call.took).min();
        let end = self.0.iter().map(|call| call.at).max();
        begin.zip(end).map_or(0.0, |(begin, end)| (end - begin).as_secs_f64())
    }

    /// Returns the time in seconds of the call that took longest but for one in a hundred, of those that came after a time.
    pub(crate) fn p99_after(&self, from: Duration) -> f64 {
        let Some(begin) = self.0.iter().map(|call| call.at - call.took).min() else {
            return 0.0;
        };
        let late = self.0.iter().filter(|call| call.at - call.took >= begin + from);
        let mut took: Vec<_> = late.map(|call| call.took).collect();
        took.sort_unstable();
        took.get(took.len() * 99 / 100).map_or(0.0, Duration::as_secs_f64)
    }

    /// Returns Jain's index of what the members served in the span between two times. It is 1 if all served alike.
    pub(crate) fn jain(&self, from: Duration, to: Duration, members: usize) -> f64 {
        let Some(begin) = self.0.iter().map(|call| call.at - call.took).min() else {
            return 1.0;
        };
        let mut served = vec![0.0_f64; members];
        let span = begin + from..begin + to;
        self.0.iter().filter(|call| span.contains(&call.at)).for_each(|call| served[call.member] += 1.0);
        let (sum, squares): (f64, f64) =
            (served.iter().sum(), served.iter().map(|served| served * served).sum());
        sum * sum / (members as f64 * squares)
    }
}
