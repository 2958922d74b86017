//! Callers who share a limit, and wait for each other: who may send, and when.

mod allowance;
mod flow;
mod gate;
mod line;
mod news;
mod ticket;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::time::Duration;

use http::HeaderName;

use self::gate::Gate;
use self::news::News;
pub use self::ticket::{Admission, PaceRejection, Permit, Ticket};
use crate::{ClockReading, RequestHead, ResponseHead};

/// Holds the requests for a key while the server wants quiet, and lets them go again one after the other, as fast
/// as the server seems to allow.
///
/// ```
/// use std::time::Duration;
/// use http_retry::Pace;
///
/// let pace = Pace::per_authority().longest(Duration::from_secs(60)).slow_start();
/// # let _ = pace;
/// ```
///
/// # What it hears
///
/// | response | what follows for all who call with the same key |
/// |---|---|
/// | 429, 529, 403 with nothing left of the quota, 503 with a hint | nobody sends until the [hint](crate::RetryHint); without one, for 500 ms, and twice as long each time |
/// | any other in which `RateLimit` and its like say that nothing is left | nobody sends until the reset |
/// | any with OpenAI's `x-ratelimit-*-requests` | as many as are left, and then `(limit - remaining) / reset` a second |
/// | any other | the server is fine |
///
/// With the feature `grpc`, a 200 whose head says that a gRPC call failed with `RESOURCE_EXHAUSTED` or `UNAVAILABLE` counts as
/// a 503. gRPC's pushback is meant for one caller, and is no hint here.
///
/// Where nobody is served three times in a row, the server does not keep the times that it names, and the wait is also at
/// least 500 ms, and twice as long each time. No wait is longer than [`longest`](Self::longest).
///
/// # What follows a closed gate
///
/// One request goes first, and the others wait for its answer. If it is served, 80 % of those go that went through
/// the last time before the server refused one, a millisecond apart. Then, after a first refusal,
/// one at a time, two, and so on, as in TCP's slow start; and after the next, as many a second as that opening has
/// shown that the server serves, and a few more with each that is served (AIMD). While the gate is open, one a second
/// goes at least, whatever was refused before and whoever does not answer.
///
/// # How to drive it
///
/// Without I/O and without a clock: time is an argument, and counts from any moment that all calls agree on. A
/// caller [`enter`](Self::enter)s, [`poll`](Self::poll)s until it is its [`Admission`], and tells what came of it with
/// [`observe`](Self::observe), or else with [`lose`](Self::lose). One that gives up [`leave`](Self::leave)s. After
/// each of these calls, [`wake`](Self::wake) names those who should poll again.
pub struct Pace {
    key: Box<KeyOf>,
    hasher: RandomState,
    terms: Terms,
    keys: usize,
    waiters: usize,
    gates: HashMap<Key, Gate>,
    waiting: usize,
    tickets: u64,
    wakes: VecDeque<Ticket>,
}

type KeyOf = dyn Fn(&RequestHead<'_>, &mut DefaultHasher) + Send + Sync;

/// Requests with the same key share a limit. It is a hash, so that no secret is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key(u64);

/// What all keys have in common.
#[derive(Debug)]
struct Terms {
    longest: Duration,
    slow_start: bool,
}

impl Pace {
    /// How long a key is held at most, unless [`longest`](Self::longest) says otherwise.
    pub const LONGEST: Duration = Duration::from_secs(120);

    /// Requests to the same authority, host and port, share a limit.
    pub fn per_authority() -> Self {
        Self::keyed(hash_authority)
    }

    /// Requests to the same authority with the same value of a header share a limit: `AUTHORIZATION`, or
    /// whatever else the server counts by. Those without the header share one too.
    pub fn per_header(name: HeaderName) -> Self {
        Self::keyed(move |head, hasher| {
            hash_authority(head, hasher);
            for (_, value) in head.headers().filter(|(header, _)| *header == name.as_str()) {
                value.hash(hasher);
            }
        })
    }

    /// Requests for which `key` returns the same share a limit.
    pub fn per<K: Hash>(key: impl Fn(&RequestHead<'_>) -> K + Send + Sync + 'static) -> Self {
        Self::keyed(move |head, hasher| key(head).hash(hasher))
    }

    fn keyed(key: impl Fn(&RequestHead<'_>, &mut DefaultHasher) + Send + Sync + 'static) -> Self {
        Self {
            key: Box::new(key),
            hasher: RandomState::new(),
            terms: Terms { longest: Self::LONGEST, slow_start: false },
            keys: 10_000,
            waiters: 10_000,
            gates: HashMap::new(),
            waiting: 0,
            tickets: 0,
            wakes: VecDeque::new(),
        }
    }

    /// Sets how long a key is held at most, whatever the server asks: a wrong hint, or a hostile one, must not
    /// hold all callers for a day. One request may go after that, and the server can ask again.
    pub fn longest(self, longest: Duration) -> Self {
        Self { terms: Terms { longest, ..self.terms }, ..self }
    }

    /// Begins with four sends at a time for a key that nobody has heard from, and doubles that with each round
    /// that is served. A burst of callers then finds the limit with a handful of calls, and not with all of them.
    pub fn slow_start(self) -> Self {
        Self { terms: Terms { slow_start: true, ..self.terms }, ..self }
    }

    /// Sets how many keys are known at a time; 0 means 1. The default is 10,000. One that nobody uses is
    /// forgotten to make room, and if there is none, requests with a new key are [refused](PaceRejection::Keys).
    pub fn keys(self, keys: usize) -> Self {
        Self { keys: keys.max(1), ..self }
    }

    /// Sets how many callers may wait at a time, of all keys together; the default is 10,000. Beyond that they
    /// are [refused](PaceRejection::Waiters).
    pub fn waiters(self, waiters: usize) -> Self {
        Self { waiters, ..self }
    }

    /// The next ticket, for a request that came just now. It may be polled at once.
    pub fn enter(&mut self, head: &RequestHead<'_>) -> Ticket {
        let mut hasher = self.hasher.build_hasher();
        (self.key)(head, &mut hasher);
        let key = Key(hasher.finish());
        self.tickets += 1;
        Ticket { key, number: self.tickets, not_before: Duration::ZERO, ends_at: None }
    }

    /// Whether it is the ticket's turn; if not, the caller is in line from now on.
    pub fn poll(&mut self, ticket: &Ticket, now: Duration) -> Admission {
        if !self.gates.contains_key(&ticket.key) && !self.make_room(now) {
            return Admission::Rejected(PaceRejection::Keys);
        }
        let gate = self.gates.entry(ticket.key).or_insert_with(|| Gate::new(&self.terms, now));
        if gate.is_idle(now) && now.saturating_sub(gate.touched()) > MEMORY {
            *gate = Gate::new(&self.terms, now);
        }
        let others = self.waiting - gate.waiting();
        let turn = gate.poll(*ticket, now, self.waiting < self.waiters, &mut self.wakes);
        self.waiting = others + gate.waiting();
        turn
    }

    /// Whether the server has not asked for quiet since the turn came: the send that a pass is for may have had to
    /// wait for something else. If it has, the pass is [lost](Self::lose), and the caller polls its ticket again.
    pub fn still_lets(&self, pass: &Permit, now: Duration) -> bool {
        self.gates.get(&pass.key).is_none_or(|gate| gate.is_open(now))
    }

    /// The caller waits no more.
    pub fn leave(&mut self, ticket: &Ticket) {
        if let Some(gate) = self.gates.get_mut(&ticket.key) {
            let others = self.waiting - gate.waiting();
            gate.leave(ticket, &mut self.wakes);
            self.waiting = others + gate.waiting();
        }
    }

    /// This came of a send.
    pub fn observe(&mut self, pass: Permit, head: &ResponseHead<'_>, now: ClockReading) {
        let news = News::read(head, now.wall);
        if let Some(gate) = self.gates.get_mut(&pass.key) {
            let others = self.waiting - gate.waiting();
            gate.hear(&pass, &news, &self.terms, now.monotonic, &mut self.wakes);
            self.waiting = others + gate.waiting();
        }
    }

    /// Nothing came of a send: it failed, or its caller is gone. If the others waited for its answer, the next
    /// of them goes.
    pub fn lose(&mut self, pass: Permit) {
        if let Some(gate) = self.gates.get_mut(&pass.key) {
            gate.lose(&pass, &mut self.wakes);
        }
    }

    /// The next caller who should poll again, once for each reason.
    pub fn wake(&mut self) -> Option<Ticket> {
        self.wakes.pop_front()
    }

    /// How many callers wait, of all keys together.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether there is room for a new key. Where it has to be made, all that were quiet for a while go, so that
    /// a flood of new keys does not have to look for one each.
    fn make_room(&mut self, now: Duration) -> bool {
        if self.gates.len() < self.keys {
            return true;
        }
        self.gates.retain(|_, gate| !gate.is_idle(now) || now.saturating_sub(gate.touched()) < QUIET);
        if self.gates.len() >= self.keys {
            self.gates.retain(|_, gate| !gate.is_idle(now));
        }
        self.gates.len() < self.keys
    }
}

/// Whatever its case (RFC 3986 section 3.2.2).
fn hash_authority(head: &RequestHead<'_>, hasher: &mut DefaultHasher) {
    for byte in head.authority().unwrap_or_default().bytes() {
        byte.to_ascii_lowercase().hash(hasher);
    }
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pace")
            .field("longest", &self.terms.longest)
            .field("slow_start", &self.terms.slow_start)
            .field("keys", &self.gates.len())
            .field("waiting", &self.waiting)
            .finish_non_exhaustive()
    }
}

/// What was learned of a key that nobody uses is forgotten after this.
const MEMORY: Duration = Duration::from_secs(600);
/// What nobody used for this long is the first to go when there is no room.
const QUIET: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
