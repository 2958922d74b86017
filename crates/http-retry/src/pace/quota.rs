//! The quotas of one key that its server announces, by name: when there is room, and how much is left.

mod bucket;
mod limit;
mod sends;
mod window;

use std::time::Duration;

use self::limit::AnnouncedLimit;
use self::sends::{Open, Sends};
use super::evidence::Announced;

/// The announced quotas of one key. Empty quotas have no allocation.
///
/// All times count from a moment on which all calls agree. A send is [reserved](Self::reserve) when it is admitted. When its
/// answer comes, [`finish`](Self::finish) is called if it was reserved, then [`settle`](Self::settle) or
/// [`give_back`](Self::give_back), and then [`hear`](Self::hear) for each quota that the answer announces.
#[derive(Debug, Default)]
pub(super) struct Quotas {
    /// The parts, if any quota is known.
    known: Option<Box<AnnouncedQuotas>>,
    /// The reserved sends in flight. They are counted before any quota is known too, because they matter for the first
    /// announcement.
    open: Open,
}

#[derive(Debug)]
struct AnnouncedQuotas {
    limits: Vec<AnnouncedLimit>,
    sends: Sends,
    /// The time of the last send, or of the first announcement.
    last_sent: Duration,
    last_used: Duration,
    /// No request goes before this after a refusal.
    held_until: Duration,
    longest: Duration,
}

/// The answer that an announcement comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    /// The ordinal of the answer's own request.
    pub(super) order: u64,
    /// The time at which that request was sent.
    pub(super) sent_at: Duration,
    /// The amount that the sends in flight with a higher ordinal take of the quota: their number for
    /// `Unit::Requests`, the sum of their costs for `Unit::Units`.
    pub(super) in_flight_after: f64,
}

impl Quotas {
    pub(super) const fn new() -> Self {
        Self { known: None, open: Open::new() }
    }

    /// Returns whether no quota is known, and no call is in flight.
    pub(super) fn is_at_rest(&self) -> bool {
        self.known.is_none() && self.open.is_empty()
    }

    /// Records that no reserved send is in flight, or that those in flight do not count any more.
    pub(super) fn none_in_flight(&mut self) {
        self.open = Open::new();
    }

    #[cfg(test)]
    pub(super) fn in_flight(&self) -> (u64, u64) {
        let sum = |unit| self.open.sum(unit) as u64;
        (sum(super::evidence::Unit::Requests), sum(super::evidence::Unit::Units))
    }

    /// The usual `longest` of [`hear`](Self::hear).
    pub(super) const LONGEST: Duration = Duration::from_secs(120);

    /// Returns whether the server has announced a quota that is not forgotten. Then quotas decide, and no estimate does.
    pub(super) fn is_known(&self, now: Duration) -> bool {
        let is_remembered = |known: &AnnouncedQuotas| {
            known.limits.iter().any(|limit| !limit.is_forgotten(known.last_used, now))
        };
        self.known.as_deref().is_some_and(is_remembered)
    }

    /// Takes in what an answer announces. At least one request is let go in each `longest`.
    pub(super) fn hear(&mut self, announced: &Announced, source: Source, longest: Duration, now: Duration) {
        self.forget(now);
        let known = self.known.get_or_insert_with(|| Box::new(AnnouncedQuotas::new(now)));
        known.longest = longest;
        known.last_used = known.last_used.max(now);
        let heard = known.sends.hear(announced.unit, &source, now);
        if let Some(limit) = known.limits.iter_mut().find(|limit| limit.name() == announced.name) {
            limit.hear(announced, &heard, &known.sends, &self.open);
        } else if known.limits.len() < MAX_LIMITS {
            known.limits.push(AnnouncedLimit::new(announced, &heard));
        }
        // Of more quotas than that the first ones still bound the sends.
    }

    /// Returns the first moment from `now` on at which all quotas have room for one more request of this cost, as far as
    /// is known. Of alternatives, one with room is enough. While a single one is known, and by few answers, others may have room:
    /// a request tries that each second.
    pub(super) fn admits_at(&self, cost: u32, now: Duration) -> Duration {
        let Some(known) = self.known.as_deref() else {
            return now;
        };
        let limits = known.limits.iter().filter(|limit| !limit.is_forgotten(known.last_used, now));
        let admits_at = |limit: &AnnouncedLimit| limit.admits_at(cost, &known.sends, now);
        let by_limits = limits.clone().map(|limit| {
            let others = limits.clone().filter(|other| other.is_alternative_to(limit));
            let at = others.map(admits_at).fold(admits_at(limit), Duration::min);
            if known.may_have_alternative(limit) { at.min(known.next_trial()) } else { at }
        });
        let by_limits = by_limits.max().unwrap_or(now);
        let latest = known.last_sent.saturating_add(known.longest);
        by_limits.max(known.held_until).min(latest).max(now)
    }

    /// Returns how many more requests may go before a tenth of a quota or less is left.
    pub(super) fn spare(&self, now: Duration) -> Option<u32> {
        let known = self.known.as_deref()?;
        if known.held_until > now {
            return Some(0);
        }
        let limits = known.limits.iter().filter(|limit| !limit.is_forgotten(known.last_used, now));
        let spare = limits.map(|limit| limit.spare(&known.sends, now)).min_by(f64::total_cmp)?;
        Some(finite(spare) as u32)
    }

    /// Takes the room of a request that is sent now.
    pub(super) fn reserve(&mut self, cost: u32, now: Duration) {
        self.open.start(cost);
        self.forget(now);
        let Some(known) = self.known.as_deref_mut() else {
            return;
        };
        for limit in &mut known.limits {
            limit.take(cost, &known.sends, now);
        }
        known.sends.record(cost, now);
        known.last_sent = known.last_sent.max(now);
        known.last_used = known.last_used.max(now);
    }

    /// Counts a reserved send as no longer in flight.
    pub(super) fn finish(&mut self, cost: u32) {
        self.open.finish(cost);
    }

    /// Gives back the room of a request that was not sent, or was refused.
    pub(super) fn give_back(&mut self, cost: u32, now: Duration) {
        let Some(known) = self.known.as_deref_mut() else {
            return;
        };
        for limit in &mut known.limits {
            limit.add(limit.share_of(cost), &known.sends, now);
        }
    }

    /// Corrects the room that a served request took. `used` is the cost that its answer says, if it says one.
    pub(super) fn settle(&mut self, reserved: u32, used: Option<u32>, now: Duration) {
        let (Some(known), Some(used)) = (self.known.as_deref_mut(), used) else {
            return;
        };
        for limit in &mut known.limits {
            limit.add(limit.share_of(reserved) - limit.share_of(used), &known.sends, now);
        }
    }

    /// Takes in a refusal although the quotas seemed to have room, and what it announced. No quota has room before the hint
    /// is over, unless the refusal is of one with alternatives, and another one of them has room.
    pub(super) fn refused(&mut self, hint: Option<Duration>, announced: &[Announced], now: Duration) {
        let Some(known) = self.known.as_deref_mut() else {
            return;
        };
        for limit in &mut known.limits {
            limit.refused(announced, now);
        }
        let is_refused =
            |limit: &AnnouncedLimit| announced.iter().any(|refused| refused.name == limit.name());
        let has_room = |limit: &AnnouncedLimit| limit.admits_at(1, &known.sends, now) <= now;
        let limits = || known.limits.iter();
        let is_other = |limit: &AnnouncedLimit| {
            limits().any(|refused| is_refused(refused) && refused.is_alternative_to(limit))
        };
        if limits().any(|limit| !is_refused(limit) && has_room(limit) && is_other(limit)) {
            return;
        }
        let mut of_refused = limits().filter(|limit| is_refused(limit)).peekable();
        let may_be_other =
            of_refused.peek().is_some() && of_refused.all(|limit| known.may_have_alternative(limit));
        let longest = if may_be_other { TRIAL_PAUSE } else { known.longest };
        let hold = hint.unwrap_or_default().min(longest);
        known.held_until = known.held_until.max(now.saturating_add(hold));
    }

    /// Forgets the quotas that count no more.
    pub(super) fn forget(&mut self, now: Duration) {
        let Some(known) = self.known.as_deref_mut() else {
            return;
        };
        let last_used = known.last_used;
        known.limits.retain(|limit| !limit.is_forgotten(last_used, now));
        if known.limits.is_empty() {
            self.known = None;
        }
    }
}

impl AnnouncedQuotas {
    fn new(now: Duration) -> Self {
        Self {
            limits: Vec::new(),
            sends: Sends::default(),
            last_sent: now,
            last_used: now,
            held_until: Duration::ZERO,
            longest: Quotas::LONGEST,
        }
    }

    /// Returns whether a quota counts some requests only, and no other is known that counts the rest.
    fn may_have_alternative(&self, limit: &AnnouncedLimit) -> bool {
        let is_same = |other: &AnnouncedLimit| other.name() == limit.name();
        limit.is_new_alternative()
            && self.limits.iter().all(|other| is_same(other) || !other.is_alternative_to(limit))
    }

    /// Returns the time at which a request tries whether it is one that no known quota counts.
    fn next_trial(&self) -> Duration {
        self.last_sent.saturating_add(TRIAL_PAUSE)
    }
}

/// Returns the number, or 0 if it is negative or not finite.
fn finite(number: f64) -> f64 {
    if number.is_finite() { number.max(0.0) } else { 0.0 }
}

/// Returns the moment `seconds` after `now`, rounded up to the nanosecond, or the last moment that a `Duration` can hold.
fn after(now: Duration, seconds: f64) -> Duration {
    let nanos = (seconds.max(0.0) * 1e9).ceil();
    match nanos < u64::MAX as f64 {
        true => now.saturating_add(Duration::from_nanos(nanos as u64)),
        // This also holds for a not-a-number.
        false => Duration::MAX,
    }
}

/// The time between two requests that try whether another quota counts them.
const TRIAL_PAUSE: Duration = Duration::from_secs(1);
/// A server may announce any number of quotas, and each is asked for each send.
const MAX_LIMITS: usize = 8;

#[cfg(test)]
mod tests;
