//! The requests that wait for one key, and the order in which they are admitted.
//!
//! Within a tenant the order is first come, first served, and requests that were sent before stand in front, by [turns].
//! Between tenants it is deficit round robin (Shreedhar and Varghese, "Efficient Fair Queueing using Deficit Round Robin", 1995).

mod tenant_ring;
#[cfg(test)]
mod tests;
mod turns;
mod waiter;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use self::tenant_ring::{TenantKey, TenantRing};
pub(super) use self::waiter::Waiter;
use self::waiter::{Class, Entry, Place};
use super::lazy_box::AtRest;

/// The number of next requests that may be offered a slot.
pub(super) const CANDIDATES: usize = 4;

/// The requests that wait for one key.
///
/// A request is early until its hint ends, and due after that. A due request that did not poll while a later one was
/// admitted is passed over: it keeps its place, but is no candidate until it polls.
#[derive(Debug, Default)]
pub(super) struct WaitQueue {
    waiters: BTreeMap<u64, Box<Entry>>,
    /// All waiters by tenant and class, so that a tenant's candidates are neighbors and passed-over ones are apart.
    places: BTreeSet<(TenantKey, Class, u64)>,
    /// The early ones by the end of their hint.
    early: BTreeSet<(Duration, u64)>,
    /// The requests that can be admitted, by the number of their attempts.
    fewest: BTreeSet<(u32, u64)>,
    tenants: TenantRing,
    /// The sum of the costs of all waiters.
    cost: u64,
}

impl WaitQueue {
    pub(super) const fn new() -> Self {
        Self {
            waiters: BTreeMap::new(),
            places: BTreeSet::new(),
            early: BTreeSet::new(),
            fewest: BTreeSet::new(),
            tenants: TenantRing::new(),
            cost: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiters.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// Returns the number of requests that can be admitted: their hint is over, and they are not passed over.
    pub(super) fn due_len(&self) -> usize {
        self.fewest.len()
    }

    /// Returns the number of requests of a tenant that wait, due or not. Tenants that share a place in the ring are counted
    /// together.
    pub(super) fn tenant_len(&self, tenant: u64) -> usize {
        self.tenants.find(tenant).map_or(0, |key| self.tenants.len_of(key))
    }

    pub(super) fn get(&self, number: u64) -> Option<&Waiter> {
        self.waiters.get(&number).map(|entry| &entry.waiter)
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Waiter> {
        self.waiters.get_mut(&number).map(|entry| &mut entry.waiter)
    }

    /// Adds a waiter, and returns the one that it replaces if the number was in use.
    pub(super) fn join(&mut self, waiter: Waiter, now: Duration) -> Option<Waiter> {
        let replaced = self.remove(waiter.number);
        let place = Place {
            tenant: self.tenants.join(waiter.tenant),
            class: if waiter.not_before > now { Class::Early } else { Class::due(waiter.attempts) },
            number: waiter.number,
            cost: waiter.cost.max(1),
            attempts: waiter.attempts,
            not_before: waiter.not_before,
        };
        self.cost += u64::from(place.cost);
        self.waiters.insert(place.number, Box::new(Entry { waiter, place }));
        self.add_place(&place);
        self.order_tenant(place.tenant);
        replaced
    }

    /// Removes a waiter that gives up or is rejected. The order of the others stays.
    pub(super) fn remove(&mut self, number: u64) -> Option<Waiter> {
        let (waiter, place) = self.detach(number)?;
        self.tenants.leave(place.tenant);
        self.order_tenant(place.tenant);
        Some(waiter)
    }

    /// Makes those due whose hint is over.
    pub(super) fn promote(&mut self, now: Duration) {
        while let Some((_, number)) = self.early.first().filter(|(end, _)| *end <= now).copied() {
            self.make_due(number);
        }
    }

    /// Notes that the waiter polls. If it was passed over, it is a candidate again, at the place that it had.
    pub(super) fn polled(&mut self, number: u64) {
        if self.class(number) == Some(Class::PassedOver) {
            self.make_due(number);
        }
    }

    /// Passes a due waiter over: it is no candidate until it polls.
    pub(super) fn pass_over(&mut self, number: u64) {
        if self.class(number).is_some_and(Class::is_candidate) {
            self.move_to(number, Class::PassedOver);
        }
    }

    /// The index of a waiter among the [`CANDIDATES`] in the order in which they will be admitted.
    pub(super) fn position(&self, number: u64) -> Option<usize> {
        self.class(number).filter(|class| class.is_candidate())?;
        self.front().position(|candidate| candidate == number)
    }

    /// The numbers of the candidates in the order in which they will be admitted.
    ///
    /// The first is exact. Where costs differ, those behind it are as good as can be told from the first tenants of the
    /// ring. There are always as many as can be admitted, up to [`CANDIDATES`].
    pub(super) fn front(&self) -> impl Iterator<Item = u64> + Clone + use<> {
        let mut front = [None; CANDIDATES];
        let mut slots = front.iter_mut();
        self.tenants.plan(self.quantum(), |tenant, last, deficit| {
            if slots.len() == 0 {
                return None;
            }
            let (cursor, number, cost) = self.next_of(tenant, last)?;
            if deficit.is_some_and(|deficit| deficit < i64::from(cost)) {
                return None;
            }
            let slot = slots.next()?;
            *slot = Some(number);
            Some((cursor, cost))
        });
        front.into_iter().flatten()
    }

    /// Removes a waiter that is admitted, and charges its tenant. The candidates before it had their chance, and are
    /// passed over.
    pub(super) fn take(&mut self, number: u64) -> Option<Waiter> {
        let front = self.front();
        if front.clone().any(|candidate| candidate == number) {
            for skipped in front.take_while(|candidate| *candidate != number) {
                self.move_to(skipped, Class::PassedOver);
            }
        }
        self.take_probe(number)
    }

    /// Passes over all candidates: none of them polled when it was offered the slot.
    pub(super) fn pass_over_front(&mut self) {
        for number in self.front() {
            self.move_to(number, Class::PassedOver);
        }
    }

    /// Removes a waiter that is admitted out of order, and charges its tenant. No waiter is passed over, because no
    /// other was offered the slot.
    pub(super) fn take_probe(&mut self, number: u64) -> Option<Waiter> {
        let quantum = self.quantum();
        let (waiter, place) = self.detach(number)?;
        self.tenants.charge(place.tenant, place.cost, quantum);
        self.tenants.note_turn(place.tenant, place.is_repeated());
        self.tenants.leave(place.tenant);
        self.order_tenant(place.tenant);
        Some(waiter)
    }

    /// Returns the request that is the probe: the first of the requests with the fewest attempts that can be admitted.
    pub(super) fn fewest_attempts(&self) -> Option<u64> {
        self.fewest.first().map(|(_, number)| *number)
    }

    /// Returns the first of the requests with the most attempts below `limit` that can be admitted.
    pub(super) fn most_attempts_below(&self, limit: u32) -> Option<u64> {
        let (attempts, _) = self.fewest.range(..(limit, 0)).next_back()?;
        self.fewest.range((*attempts, 0)..).next().map(|(_, number)| *number)
    }

    /// The last to arrive of the tenant that has the most waiters. A full queue rejects it.
    pub(super) fn newest_of_longest_tenant(&self) -> Option<u64> {
        let tenant = self.tenants.longest()?;
        let classes = [Class::Resend, Class::First, Class::PassedOver, Class::Early];
        let newest = |class| self.places.range((tenant, class, 0)..=(tenant, class, u64::MAX)).next_back();
        classes.into_iter().filter_map(newest).map(|(_, _, number)| *number).max()
    }

    /// The mean cost of all who wait, rounded up: with equal costs each tenant sends one request in a round.
    fn quantum(&self) -> u32 {
        let mean = self.cost.div_ceil(self.len().max(1) as u64).max(1);
        u32::try_from(mean).unwrap_or(u32::MAX)
    }

    fn class(&self, number: u64) -> Option<Class> {
        self.waiters.get(&number).map(|entry| entry.place.class)
    }

    fn make_due(&mut self, number: u64) {
        if let Some(attempts) = self.waiters.get(&number).map(|entry| entry.place.attempts) {
            self.move_to(number, Class::due(attempts));
        }
    }

    fn move_to(&mut self, number: u64, class: Class) {
        let Some(entry) = self.waiters.get_mut(&number) else { return };
        let old = entry.place;
        entry.place.class = class;
        let new = entry.place;
        self.remove_place(&old);
        self.add_place(&new);
        self.order_tenant(new.tenant);
    }

    fn add_place(&mut self, place: &Place) {
        self.places.insert((place.tenant, place.class, place.number));
        match place.class {
            Class::Resend | Class::First => self.fewest.insert((place.attempts, place.number)),
            Class::Early => self.early.insert((place.not_before, place.number)),
            Class::PassedOver => true,
        };
    }

    fn remove_place(&mut self, place: &Place) {
        self.places.remove(&(place.tenant, place.class, place.number));
        self.fewest.remove(&(place.attempts, place.number));
        if place.class == Class::Early {
            self.early.remove(&(place.not_before, place.number));
        }
    }

    /// Takes a waiter out of all but the ring, which `order_tenant` must hear of.
    fn detach(&mut self, number: u64) -> Option<(Waiter, Place)> {
        let Entry { waiter, place } = *self.waiters.remove(&number)?;
        self.remove_place(&place);
        self.cost -= u64::from(place.cost);
        Some((waiter, place))
    }

    /// Tells the ring what the tenant's first candidate costs, and lets it find the tenant that is next.
    fn order_tenant(&mut self, tenant: TenantKey) {
        if self.is_empty() {
            // An empty set may still have its last node, and the ring has numbers that nobody needs any more.
            *self = Self::new();
            return;
        }
        let head_cost = self.next_of(tenant, None).map(|(_, _, cost)| cost);
        let passed_over = (tenant, Class::PassedOver, 0)..(tenant, Class::Early, 0);
        let keeps_place = self.places.range(passed_over).next().is_some();
        self.tenants.set_head(tenant, head_cost, keeps_place);
        self.tenants.settle(self.quantum());
    }
}

impl AtRest for WaitQueue {
    const REST: &'static Self = &Self::new();

    fn is_at_rest(&self) -> bool {
        self.is_empty()
    }
}
