//! The pace: requests that share a limit of a server wait for each other.

mod at_a_time;
mod by_attempt;
mod constants;
mod early_probe;
mod entry_cache;
mod evidence;
#[cfg(feature = "fleet")]
mod fleet;
mod groups;
mod hashed;
mod in_flight;
mod key_entry;
mod key_function;
mod key_hash;
mod key_state;
mod key_table;
mod late;
mod lazy_box;
mod learned_limit;
mod limit_estimate;
mod nanos;
mod opening;
mod quota;
mod rate_controller;
mod refusal_time;
mod room;
mod row;
#[cfg(feature = "fleet")]
mod seam;
mod settings;
mod share;
mod stop;
mod suspects;
#[cfg(test)]
mod tests;
mod ticket;
mod traffic;
mod wait_queue;
mod wakers;
mod why;
mod window;

use std::fmt;
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::task::Waker;
use std::time::Duration;

use http::HeaderName;

use self::key_function::KeyFunction;
use self::key_table::KeyTable;
use self::late::RestOf;
use self::settings::PaceSettings;
pub use self::ticket::{Admission, PaceRejection, Permit, Settlement, Ticket};
pub use self::why::{PaceReport, Why};
use crate::{ClockReading, RequestHead, ResponseHead};

/// Lets requests that share a limit of a server wait for each other.
///
/// ```
/// use std::time::Duration;
/// use http_retry::Pace;
///
/// let pace = Pace::per_credential().longest(Duration::from_secs(60)).slow_start();
/// ```
#[doc = include_str!("pace/rules.md")]
///
/// # How to drive it
///
/// A pace has no clock, no timer and no task. Time is an argument, and counts from any moment that all calls agree on.
///
/// 1. [`ticket`](Self::ticket) makes the ticket of a request.
/// 2. [`poll`](Self::poll) asks whether the request may be sent. A request that waits is polled again at the time that the
///    answer names, and whenever its waker is woken.
/// 3. A request that is sent has a [`Permit`]. [`settle`](Self::settle) reports the head of the answer, and
///    [`lose`](Self::lose) reports that no answer will come.
/// 4. A request that waits no more [`leave`](Self::leave)s.
pub struct Pace {
    key: Box<dyn KeyFunction>,
    /// The second part of the key, if it has one.
    rest: Option<Box<RestOf>>,
    tenant: Option<Box<HashOf>>,
    cost: Option<Box<CostOf>>,
    /// Has the secret of this pace. Each hash of a key or a tenant begins with a copy.
    hasher: DefaultHasher,
    table: KeyTable,
}

type HashOf = dyn Fn(&RequestHead<'_>, &mut DefaultHasher) + Send + Sync;
type CostOf = dyn Fn(&RequestHead<'_>) -> u32 + Send + Sync;

impl Pace {
    /// The default of [`longest`](Self::longest): 120 s.
    pub const LONGEST: Duration = Duration::from_secs(120);

    /// Creates a pace in which requests to the same authority (host and port) share a limit. The case of letters makes no
    /// difference (RFC 3986 section 3.2.2).
    pub fn per_authority() -> Self {
        Self::keyed(key_function::Authority)
    }

    /// Creates a pace in which requests to the same authority with the same credential share a limit. The places of a
    /// credential are those of [`RequestHead::each_credential`]. Requests without one share a limit as well.
    pub fn per_credential() -> Self {
        Self::keyed(key_function::Credential)
    }

    /// Creates a pace in which requests to the same authority with the same value of a header share a limit. Requests without
    /// the header share a limit as well.
    pub fn per_header(name: HeaderName) -> Self {
        Self::keyed(key_function::Header(name))
    }

    /// Creates a pace in which requests share a limit if `key` returns the same value for them. The pace saves a hash of it
    /// with a secret of its own, and never the value. The authority is part of the key only if `key` returns it.
    pub fn per<K: Hash + 'static>(key: impl Fn(&RequestHead<'_>) -> K + Send + Sync + 'static) -> Self {
        Self::keyed(key_function::Custom::new(key))
    }

    /// Creates a pace in which requests share a limit if `write` writes the same for them. It needs no value of its own, unlike
    /// [`per`](Self::per), so it copies nothing of a head. The members of a fleet share what they all write alike, so `write` must
    /// not depend on a random number of the process.
    pub fn per_written(write: impl Fn(&RequestHead<'_>, &mut dyn Hasher) + Send + Sync + 'static) -> Self {
        Self::keyed(key_function::Written(write))
    }

    fn keyed(key: impl KeyFunction + 'static) -> Self {
        let (hasher, table) = (RandomState::new().build_hasher(), KeyTable::new(PaceSettings::default()));
        Self { key: Box::new(key), rest: None, tenant: None, cost: None, hasher, table }
    }

    /// Sets the tenant of a request. Tenants that wait for the same key share it equally, by deficit round robin (Shreedhar
    /// and Varghese, 1995), each by the [costs](Self::cost) of its requests. Within a tenant, the request that came first goes
    /// first. Without this, all requests belong to one tenant. A key knows 1,024 tenants apart, and puts further ones
    /// together.
    pub fn fair_by<K: Hash>(self, tenant: impl Fn(&RequestHead<'_>) -> K + Send + Sync + 'static) -> Self {
        let tenant: Box<HashOf> = Box::new(move |head, hasher| tenant(head).hash(hasher));
        let settings = PaceSettings { has_tenants: true, ..*self.table.settings() };
        Self { tenant: Some(tenant), table: self.table.with(settings), ..self }
    }

    /// Sets the cost of a request in units of the server's announced quotas, for example in tokens. 0 counts as 1, which is
    /// the cost without this. A quota of requests counts each request once, whatever its cost.
    ///
    /// The pace takes the cost from the announced quotas when it admits the request, and gives it back if the request is
    /// refused or lost. It does not read from answers how much they used.
    pub fn cost(self, cost: impl Fn(&RequestHead<'_>) -> u32 + Send + Sync + 'static) -> Self {
        Self { cost: Some(Box::new(cost)), ..self }
    }

    /// Sets the longest time for which one hint of the server holds back all requests with a key. The default is
    /// [`LONGEST`](Self::LONGEST). A longer hint holds back the refused request alone. At an announced quota, at least one
    /// request goes in each such time.
    pub fn longest(self, longest: Duration) -> Self {
        self.with(|settings| settings.longest = longest)
    }

    /// Lets only a few requests with a new key be without an outcome at a time: four, and 11 % of all that came until then. A
    /// burst then meets an unknown limit with few refused calls, and goes in eight rounds where there is no limit. A request
    /// that the server does not refuse within 100 ms counts as served here, so slow answers do not slow the start.
    pub fn slow_start(self) -> Self {
        self.with(|settings| settings.slow_start = true)
    }

    /// Sets the largest number of keys. The default is 10,000, and 0 counts as 1. A full table forgets a key that no request
    /// uses. If all are in use, requests with a new key go without a pace, and [`unpaced`](Self::unpaced) counts them.
    pub fn keys(self, keys: usize) -> Self {
        self.with(|settings| settings.keys = keys.max(1))
    }

    /// Sets the largest number of requests that wait, over all keys. The default is 10,000. A quarter of it may wait for one
    /// key, and with [`fair_by`](Self::fair_by) a quarter of that for one tenant, both rounded up. Beyond that, the pace
    /// rejects the request with [`PaceRejection::Full`], or instead the newest one of a tenant that has more waiters.
    pub fn waiters(self, waiters: usize) -> Self {
        self.with(|settings| settings.waiters = waiters)
    }

    fn with(self, change: impl FnOnce(&mut PaceSettings)) -> Self {
        let mut settings = *self.table.settings();
        change(&mut settings);
        Self { table: self.table.with(settings), ..self }
    }

    /// Creates the ticket of a request that came just now. This runs the functions of [`per`](Self::per),
    /// [`fair_by`](Self::fair_by) and [`cost`](Self::cost), outside of all locks.
    #[inline]
    pub fn ticket(&self, head: &RequestHead<'_>) -> Ticket {
        let tenant = self.tenant.as_deref().map_or(0, |tenant| {
            let mut hasher = self.hasher.clone();
            tenant(head, &mut hasher);
            hasher.finish()
        });
        let cost = self.cost_of(head);
        let (key, late) = self.key_of(head);
        #[cfg(feature = "fleet")]
        if late.is_none() {
            self.note_key(key, head);
        }
        Ticket { late, ..Ticket::new(key, tenant, cost) }
    }

    #[inline]
    fn cost_of(&self, head: &RequestHead<'_>) -> u32 {
        self.cost.as_deref().map_or(1, |cost| cost(head).max(1))
    }

    /// Admits a request at once if its key is free, so that no request waits for it and no refusal is known. It returns `None`
    /// otherwise, and then [`poll`](Self::poll) decides. The request does not join the queue.
    ///
    /// Most requests are of this kind, and a caller can send them before it makes anything that a wait needs.
    #[inline]
    pub fn admit_free(&self, ticket: &mut Ticket, now: Duration) -> Option<Permit> {
        self.table.admit_free(ticket, now)
    }

    /// Asks whether a request may be sent now. A request that has to wait joins the queue, and the pace wakes `waker` if it
    /// should be polled before the time that the answer names. Without a waker, it is admitted at that time or later.
    ///
    /// The next request in the queue is offered a slot first. If it is not polled within 20 ms, the slot goes to one behind
    /// it, and the request keeps its place.
    pub fn poll(&self, ticket: &mut Ticket, now: Duration, waker: Option<&Waker>) -> Admission {
        self.table.poll(ticket, now, waker)
    }

    /// Takes a request out of the queue. It does nothing if the request does not wait.
    pub fn leave(&self, ticket: &mut Ticket, now: Duration) {
        self.table.leave(ticket, now);
    }

    /// Returns whether a permit may still be used. All requests may have been stopped while the inner service got ready: then
    /// the permit is [lost](Self::lose), and the ticket is polled again. It keeps its place in the queue.
    pub fn still_valid(&self, permit: &Permit, now: Duration) -> bool {
        self.table.still_valid(permit, now)
    }

    /// Reports the head of the answer to a request that was sent, and returns what it meant. `clock` is read only if the head
    /// says something, or if requests with the key may have to wait.
    pub fn settle(
        &self,
        permit: Permit,
        head: &ResponseHead<'_>,
        clock: impl FnOnce() -> ClockReading,
    ) -> Settlement {
        self.table.settle(permit, head, clock)
    }

    /// Reports that no answer will come: the call failed, its caller is gone, or it was never sent.
    pub fn lose(&self, permit: Permit, now: Duration) {
        self.table.lose(permit, now);
    }

    /// Gives back a permit at once, because the request cannot be sent yet. The request keeps its place in the queue for the
    /// next poll, and the attempt does not count.
    pub fn give_back(&self, ticket: &mut Ticket, permit: Permit, now: Duration) {
        ticket.attempts = permit.attempts;
        ticket.previous = permit.previous;
        if permit.attempts == 0 {
            ticket.first = None;
        }
        self.table.lose(permit, now);
    }

    /// Returns the number of requests that wait, over all keys.
    pub fn waiting(&self) -> usize {
        self.table.waiting()
    }

    /// Returns the number of requests that went without a pace, because the table of keys was full.
    pub fn unpaced(&self) -> u64 {
        self.table.unpaced()
    }

    /// Returns the number of keys in the table.
    pub fn key_count(&self) -> usize {
        self.table.len()
    }

    /// Describes the keys at which anything is known, those with the longest queues first, then those that something
    /// holds back, and at most `most` of them.
    pub fn reports(&self, now: Duration, most: usize) -> Vec<PaceReport> {
        self.table.reports(now, most)
    }

    /// Describes the key of a ticket. The report of a key that is not in the table is empty.
    pub fn report(&self, ticket: &Ticket, now: Duration) -> PaceReport {
        self.table.report(ticket, now)
    }
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pace")
            .field("settings", self.table.settings())
            .field("keys", &self.key_count())
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}
