//! Which tenant is next: deficit round robin with equal weights. A tenant that had no turn in the current round is before
//! the tenants that had one, as in FQ-CoDel (RFC 8290), so one that asks for little waits for others of its kind only.

mod tenant;

use std::collections::{BTreeMap, BTreeSet};

pub(super) use self::tenant::TenantKey;
use self::tenant::{RingPlace, Tenant};
use super::CANDIDATES;
use super::turns::Cursor;

/// The tenants that wait for one key, and the ring of the tenants with a candidate.
///
/// After each [`settle`](Self::settle) the first tenant of the ring can pay for its candidate.
#[derive(Debug, Default)]
pub(super) struct TenantRing {
    tenants: BTreeMap<TenantKey, Tenant>,
    /// The tenants with a candidate. A tenant whose round is over gets the next free place at the end.
    ring: BTreeMap<RingPlace, TenantKey>,
    lengths: BTreeSet<(u32, TenantKey)>,
    next_place: u64,
    /// The number of the next place when each tenant was charged last.
    charged: BTreeMap<TenantKey, u64>,
    /// The number of tenants that have a place of their own.
    own: usize,
}

impl TenantRing {
    pub(super) const fn new() -> Self {
        Self {
            tenants: BTreeMap::new(),
            ring: BTreeMap::new(),
            lengths: BTreeSet::new(),
            next_place: 0,
            charged: BTreeMap::new(),
            own: 0,
        }
    }

    /// The key under which a tenant waits now.
    pub(super) fn find(&self, tenant: u64) -> Option<TenantKey> {
        let keys = [TenantKey::own(tenant), TenantKey::shared(tenant)];
        keys.into_iter().find(|key| self.tenants.contains_key(key))
    }

    pub(super) fn len_of(&self, key: TenantKey) -> usize {
        self.tenants.get(&key).map_or(0, |tenant| tenant.len as usize)
    }

    /// The key of the most waiters.
    pub(super) fn longest(&self) -> Option<TenantKey> {
        self.lengths.last().map(|(_, key)| *key)
    }

    /// Counts one more waiter of a tenant. While a tenant waits it has one key, so its requests stay in order.
    pub(super) fn join(&mut self, tenant: u64) -> TenantKey {
        let key = self.find(tenant).unwrap_or_else(|| match self.own < MAX_TENANTS {
            true => TenantKey::own(tenant),
            false => TenantKey::shared(tenant),
        });
        self.change_len(key, |len| len.saturating_add(1));
        key
    }

    /// Counts one waiter less. A tenant without waiters is forgotten, with its deficit.
    pub(super) fn leave(&mut self, key: TenantKey) {
        self.change_len(key, |len| len.saturating_sub(1));
    }

    fn change_len(&mut self, key: TenantKey, change: impl FnOnce(u32) -> u32) {
        let tenant = self.tenants.entry(key).or_default();
        let old = tenant.len;
        tenant.len = change(old);
        let (len, place) = (tenant.len, tenant.place);
        self.lengths.remove(&(old, key));
        if len > 0 {
            self.lengths.insert((len, key));
        } else {
            self.tenants.remove(&key);
            place.and_then(|place| self.ring.remove(&place));
        }
        if key.is_own() && (old == 0) != (len == 0) {
            self.own = if len > 0 { self.own + 1 } else { self.own.saturating_sub(1) };
        }
    }

    /// Sets the cost of a tenant's first candidate. A tenant that has a candidate again joins the ring without what it had
    /// left, unless it keeps its place.
    pub(super) fn set_head(&mut self, key: TenantKey, head_cost: Option<u32>, keeps_place: bool) {
        let joins =
            head_cost.is_some() && self.tenants.get(&key).is_some_and(|tenant| tenant.place.is_none());
        let place = joins.then(|| self.place_to_join(key));
        let Some(tenant) = self.tenants.get_mut(&key) else { return };
        tenant.place = tenant.place.or(place);
        let was_in_ring = tenant.head_cost.is_some();
        tenant.head_cost = head_cost;
        if let Some(place) = tenant.place {
            if head_cost.is_some() {
                if !was_in_ring {
                    self.ring.insert(place, key);
                }
                return;
            }
            self.ring.remove(&place);
        }
        if !keeps_place {
            tenant.place = None;
            tenant.deficit = tenant.deficit.min(0);
            tenant.is_granted = false;
        }
    }

    /// Returns the place of a tenant that joins the ring: at the end, or before the tenants that had a turn in this round. A tenant
    /// is overtaken for so many places at most, however many new ones come.
    fn place_to_join(&mut self, key: TenantKey) -> RingPlace {
        let mut first_places = self.ring.keys().take(MOST_OVERTAKING as usize);
        let waits_longest = first_places.find(|place| place.order == place.number);
        let charged = self.charged.get(&key);
        let had_turn =
            waits_longest.is_some_and(|first| charged.is_some_and(|charged| *charged > first.number));
        let number = self.next_place;
        self.next_place += 1;
        let overtakes = if had_turn { 0 } else { MOST_OVERTAKING };
        RingPlace { order: number.saturating_sub(overtakes), number }
    }

    /// Takes the cost of an admitted request from its tenant. A debt has a bound, so that a tenant is never out for long.
    pub(super) fn charge(&mut self, key: TenantKey, cost: u32, quantum: u32) {
        let most = (2 * self.tenants.len()).max(LEAST_CHARGED);
        if self.charged.len() >= most {
            self.forget_turns(most / 2);
        }
        self.charged.insert(key, self.next_place);
        if let Some(tenant) = self.tenants.get_mut(&key) {
            let lowest = -(i64::from(cost.max(quantum)) * CANDIDATES as i64);
            tenant.deficit = (tenant.deficit - i64::from(cost)).max(lowest.min(tenant.deficit));
        }
    }

    /// Notes whether the request of a tenant that was admitted had been sent at least twice.
    pub(super) fn note_turn(&mut self, key: TenantKey, is_repeated: bool) {
        if let Some(tenant) = self.tenants.get_mut(&key) {
            tenant.had_repeated = is_repeated;
        }
    }

    /// Returns whether a request of the tenant that was not sent yet is next, if one waits.
    pub(super) fn had_repeated(&self, key: TenantKey) -> bool {
        self.tenants.get(&key).is_some_and(|tenant| tenant.had_repeated)
    }

    /// Forgets the turns of earlier rounds. If more than `most` are left, all are forgotten, so that their number has a bound
    /// by the tenants that wait.
    fn forget_turns(&mut self, most: usize) {
        let first = self.tenants.values().filter_map(|tenant| Some(tenant.place?.number)).min();
        let first = first.unwrap_or(self.next_place);
        self.charged.retain(|_, charged| *charged > first);
        if self.charged.len() > most {
            self.charged.clear();
        }
    }

    /// Ends the round of each tenant that cannot pay for its candidate, until one can.
    pub(super) fn settle(&mut self, quantum: u32) {
        let mut visited = 0;
        while let Some((&place, &key)) = self.ring.first_key_value() {
            let Some(tenant) = self.tenants.get_mut(&key) else {
                self.ring.remove(&place);
                continue;
            };
            tenant.grant(quantum);
            if tenant.missing() <= 0 {
                return;
            }
            tenant.is_granted = false;
            let last = RingPlace { order: self.next_place, number: self.next_place };
            tenant.place = Some(last);
            self.ring.remove(&place);
            self.ring.insert(last, key);
            self.next_place += 1;
            visited += 1;
            if visited % self.ring.len() == 0 {
                self.skip_rounds(quantum);
            }
        }
    }

    /// Grants at once what would be granted in the rounds in which no tenant can pay, however many there are.
    fn skip_rounds(&mut self, quantum: u32) {
        let quantum = i64::from(quantum.max(1));
        let missing = self.ring.values().filter_map(|key| self.tenants.get(key)).map(Tenant::missing).min();
        let rounds = (missing.unwrap_or(0) - 1).max(0) / quantum;
        if rounds == 0 {
            return;
        }
        for key in self.ring.values() {
            if let Some(tenant) = self.tenants.get_mut(key) {
                tenant.deficit += rounds * quantum;
            }
        }
    }

    /// Plays the next rounds of the first tenants without a change.
    ///
    /// `next` is asked for a tenant's candidate behind a place, which must cost no more than the deficit if one is
    /// given. It returns the place behind the candidate and its cost, or `None` if no candidate is left or no more are wanted.
    pub(super) fn plan(
        &self,
        quantum: u32,
        mut next: impl FnMut(TenantKey, Option<Cursor>, Option<i64>) -> Option<(Cursor, u32)>,
    ) {
        let mut tenants = [None; PLANNED_TENANTS];
        for (slot, key) in tenants.iter_mut().zip(self.ring.values()) {
            *slot = self.tenants.get(key).map(|tenant| (*key, None, tenant.deficit, tenant.is_granted));
        }
        for _ in 0..CANDIDATES {
            for (key, last, deficit, is_granted) in tenants.iter_mut().flatten() {
                *deficit += if *is_granted { 0 } else { i64::from(quantum) };
                *is_granted = false;
                while let Some((candidate, cost)) = next(*key, *last, Some(*deficit)) {
                    *last = Some(candidate);
                    *deficit -= i64::from(cost);
                }
            }
        }
        // What is left costs more than the rounds that were played allow.
        for _ in 0..CANDIDATES {
            for (key, last, ..) in tenants.iter_mut().flatten() {
                if let Some((candidate, _)) = next(*key, *last, None) {
                    *last = Some(candidate);
                }
            }
        }
    }

    /// The lowest and the highest deficit.
    #[cfg(test)]
    pub(super) fn deficits(&self) -> (i64, i64) {
        let deficits = || self.tenants.values().map(|tenant| tenant.deficit);
        (deficits().min().unwrap_or(0), deficits().max().unwrap_or(0))
    }

    /// Returns the number of places that were given since the queue was empty.
    #[cfg(test)]
    pub(super) fn places(&self) -> u64 {
        self.next_place
    }

    /// Returns the number of turns that are remembered.
    #[cfg(test)]
    pub(super) fn turns(&self) -> usize {
        self.charged.len()
    }

    #[cfg(test)]
    pub(super) fn keys(&self) -> usize {
        self.tenants.len()
    }
}

/// The largest number of tenants that have a place of their own.
const MAX_TENANTS: usize = 1_024;

/// The places for which a tenant is overtaken by tenants that had no turn in this round.
const MOST_OVERTAKING: u64 = 64;

/// The tenants whose last turns are remembered, unless twice as many wait.
const LEAST_CHARGED: usize = 64;

/// The number of tenants that are looked at to tell which comes next.
const PLANNED_TENANTS: usize = 2 * CANDIDATES;
