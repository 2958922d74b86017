//! What is played with the members of a fleet, and the figures of it.

use std::thread;
use std::time::Duration;

use crate::load::{self, Calls};
use crate::members::Members;
use crate::server::Counts;

/// The figures of one play.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) calls: usize,
    pub(crate) refused: usize,
    pub(crate) failed: usize,
    pub(crate) seconds: f64,
    pub(crate) p99: f64,
    /// A figure that only this play has.
    pub(crate) other: f64,
}

impl Figures {
    fn new(calls: &Calls, counts: Counts) -> Self {
        Self {
            calls: counts.calls,
            refused: counts.refused,
            failed: calls.failed(),
            seconds: calls.time(),
            p99: calls.p99_after(Duration::ZERO),
            other: 0.0,
        }
    }
}

const RATE: f64 = 40.0;
const BURST: f64 = 8.0;
/// A load of 80 %.
const LOAD: f64 = 0.8 * RATE;

/// Sends 160 requests at once to members that know the limit, or do not.
pub(crate) fn burst(members: usize, is_known: bool) -> Figures {
    let start = if is_known { Members::knowing } else { Members::start };
    let members = start(members, RATE, BURST);
    let before = members.server.counts();
    let calls = load::burst(&members.addresses(), 160);
    Figures::new(&calls, members.server.counts().since(before))
}

/// Sends at 80 % of the limit.
pub(crate) fn below_the_limit(members: usize, time: Duration) -> Figures {
    let members = Members::knowing(members, RATE, BURST);
    let before = members.server.counts();
    let calls = load::steady(&members.addresses(), LOAD, time);
    Figures::new(&calls, members.server.counts().since(before))
}

/// Sends so many requests a second to each member, at 80 % of the limit. `other` is the requests to the store for 1,000 of
/// them.
pub(crate) fn asks(members: usize, per_second: f64, time: Duration) -> Figures {
    let load = per_second * members as f64;
    let members = Members::knowing(members, load / 0.8, load / 8.0);
    let (before, asks) = (members.server.counts(), members.asks());
    let calls = load::steady(&members.addresses(), load, time);
    let figures = Figures::new(&calls, members.server.counts().since(before));
    Figures { other: (members.asks() - asks) * 1_000.0 / calls.0.len() as f64, ..figures }
}

/// What happens to the store while clients send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It is killed for 3 s, and comes back empty.
    Killed,
    /// It is stopped for 3 s.
    Stopped,
    /// It does not answer for 0.2 s, each 2 s.
    Slow,
}

/// Sends at 80 % of the limit for 11 s while something happens to the store. `other` is the time in seconds from the return of the
/// store until all members have joined again.
pub(crate) fn store_in_trouble(members: usize, trouble: Trouble) -> Figures {
    let mut members = Members::knowing(members, RATE, BURST);
    let (addresses, before) = (members.addresses(), members.server.counts());
    let clients = thread::spawn(move || load::steady(&addresses, LOAD, Duration::from_secs(11)));
    thread::sleep(Duration::from_secs(2));
    match trouble {
        Trouble::Killed => {
            members.store.kill();
            thread::sleep(Duration::from_secs(3));
            members.store.restart();
        }
        Trouble::Stopped => {
            members.store.stop();
            thread::sleep(Duration::from_secs(3));
            members.store.go_on();
        }
        Trouble::Slow => {
            for _ in 0..4 {
                members.store.stop();
                thread::sleep(Duration::from_millis(200));
                members.store.go_on();
                thread::sleep(Duration::from_millis(1_800));
            }
        }
    }
    let joined = members.joined_after(Duration::from_secs(10));
    let calls = clients.join().unwrap();
    let figures = Figures::new(&calls, members.server.counts().since(before));
    Figures { other: joined.as_secs_f64(), ..figures }
}

/// Sends at 80 % of the limit to all but the last member, which is killed after 2 s with slots in hand. `p99` is that of the others
/// from 1.5 s after that on.
pub(crate) fn member_killed(members: usize) -> Figures {
    let mut members = Members::knowing(members, RATE, BURST);
    let (all, before) = (members.addresses(), members.server.counts());
    let last = all[all.len() - 1];
    let others = all[..all.len() - 1].to_vec();
    // The last one takes its part of the load until then, and its clients are not counted.
    let doomed = thread::spawn(move || {
        load::steady(&[last], LOAD / all.len() as f64, Duration::from_millis(1_900));
    });
    let share = LOAD * others.len() as f64 / (others.len() + 1) as f64;
    let clients = thread::spawn(move || load::steady(&others, share, Duration::from_secs(8)));
    doomed.join().unwrap();
    members.gateways.pop();
    let calls = clients.join().unwrap();
    let figures = Figures::new(&calls, members.server.counts().since(before));
    Figures { p99: calls.p99_after(Duration::from_millis(3_500)), ..figures }
}

/// Sends at 80 % of the limit to all but the last member, which is stopped for 4 s with slots in hand, and goes on then. `p99` is
/// that of the others from 1.5 s after the stop on.
pub(crate) fn member_stopped(members: usize) -> Figures {
    let members = Members::knowing(members, RATE, BURST);
    let (all, before) = (members.addresses(), members.server.counts());
    let (last, others) = all.split_last().unwrap();
    let share = LOAD / all.len() as f64;
    let calls = thread::scope(|scope| {
        let clients =
            scope.spawn(|| load::steady(others, share * others.len() as f64, Duration::from_secs(9)));
        let first = load::steady(&[*last], share, Duration::from_millis(1_900));
        let gateway = &members.gateways[members.gateways.len() - 1];
        gateway.signal("STOP");
        thread::sleep(Duration::from_secs(4));
        gateway.signal("CONT");
        let more = load::steady(&[*last], share, Duration::from_secs(3));
        assert_eq!(first.failed() + more.failed(), 0, "the member itself");
        clients.join().unwrap()
    });
    let figures = Figures::new(&calls, members.server.counts().since(before));
    Figures { p99: calls.p99_after(Duration::from_millis(3_400)), ..figures }
}

/// Sends 20 requests a second to a server without a limit, and each second one that it always refuses.
pub(crate) fn bad_caller(members: usize) -> Figures {
    let members = Members::start(members, 1e6, 1e6);
    let (addresses, time) = (members.addresses(), Duration::from_secs(20));
    let calls = thread::scope(|scope| {
        // Nobody waits for the answers: such a request is sent nine times.
        scope.spawn(|| load::bad(&addresses, 1.0, time));
        load::steady(&addresses, 20.0, time)
    });
    Figures::new(&calls, members.server.counts())
}

/// Sends 120 requests a second for 8 s to a server that is down, without a pace. `other` is the number of resends.
pub(crate) fn outage(members: usize) -> Figures {
    let members = Members::without_pace(members, RATE, BURST);
    members.server.set_down(true);
    let calls = load::steady(&members.addresses(), 120.0, Duration::from_secs(8));
    let figures = Figures::new(&calls, members.server.counts());
    Figures { other: figures.calls as f64 - calls.0.len() as f64, ..figures }
}

/// Sends at 150 % of the limit for 12 s. `other` is Jain's index of what the members served from the third second on.
pub(crate) fn above_the_limit(members: usize) -> Figures {
    let count = members;
    let members = Members::knowing(members, RATE, BURST);
    let before = members.server.counts();
    let calls = load::steady(&members.addresses(), 1.5 * RATE, Duration::from_secs(12));
    let figures = Figures::new(&calls, members.server.counts().since(before));
    let jain = calls.jain(Duration::from_secs(2), Duration::from_secs(12), count);
    Figures { other: jain, ..figures }
}

/// Sends at 80 % of the limit while each member is replaced by a new one, one after the other.
pub(crate) fn rolling_restart(count: usize) -> Figures {
    let mut members = Members::knowing(count, RATE, BURST);
    let before = members.server.counts();
    let mut calls = Vec::new();
    for _ in 0..count {
        members.add();
        // A balancer sends nothing to a member that is about to end.
        let rest = members.addresses()[1..].to_vec();
        let clients = thread::spawn(move || load::steady(&rest, LOAD, Duration::from_secs(2)));
        let mut old = members.gateways.remove(0);
        old.terminate();
        assert!(old.ended(Duration::from_secs(10)).is_some(), "a member does not end");
        calls.extend(clients.join().unwrap().0);
    }
    Figures::new(&Calls(calls), members.server.counts().since(before))
}
