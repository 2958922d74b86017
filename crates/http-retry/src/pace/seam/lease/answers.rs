//! A shared key hears the answers and the news of the store.

use std::time::Duration;

use super::lone_search::SEARCH;
use super::{Heard, LeaseState, MAX_BURST, MAX_GAP, Moment, Scale};
use crate::fleet::entry::{LeaseAnswer, News, PublishAnswer};
use crate::pace::seam::slots::{micros, shift};

impl LeaseState {
    /// Takes in an answer to a question for slots.
    pub(in crate::pace) fn hear_lease(
        &mut self,
        number: u64,
        answer: &LeaseAnswer,
        moment: &Moment,
    ) -> Option<Heard> {
        if self.open != Some(number) {
            // The request was given up, and its slots are lost.
            return None;
        }
        self.open = None;
        if !is_valid(answer.gap, answer.burst, answer.born) || !(0..=1_000_000).contains(&answer.count) {
            self.ask_at = moment.now.saturating_add(FAILED);
            return None;
        }
        let now = moment.now;
        // What a member learned of its share while it was alone is not what all are told.
        let is_new = answer.serial > self.serial || self.is_alone;
        let is_dropped = answer.serial > self.serial && self.serial > 0 && answer.gap == 0 && self.gap > 0;
        self.is_alone = false;
        self.hear_serial(answer.serial, now);
        self.is_paced = answer.state == LeaseAnswer::PACED && !self.dropped;
        self.ask_at = now;
        if answer.born == 0 {
            self.ask_at = now.saturating_add(moment.lease / ASKS_OF_SEARCH);
            return None;
        }
        self.others.answered(answer, moment.lease, now);
        let share_before = self.part();
        self.hear_share(answer.share, moment.members);
        match answer.state {
            LeaseAnswer::QUIET => Some(self.heard_quiet(shift(now, answer.quiet), moment)),
            LeaseAnswer::PROBE => {
                self.probe_until = Some(now.saturating_add(PROBE));
                None
            }
            LeaseAnswer::WAIT => {
                let first = if answer.first > 0 { shift(now, answer.first) } else { now + moment.lease / 2 };
                self.ask_at = first;
                None
            }
            LeaseAnswer::PACED if self.dropped => None,
            LeaseAnswer::PACED => {
                let after = answer.first.saturating_add(answer.count.saturating_mul(answer.gap));
                self.is_ahead = after > 0;
                (self.saved, self.saved_at) = ((-after / answer.gap.max(1)).max(0), now);
                self.has_room = after <= -answer.gap * i64::from(moment.members) / 4;
                let short = self.short(moment);
                self.slots.add(answer, short, self.spread(), now);
                if answer.count == 0 && after > 0 {
                    self.ask_at = shift(now, after.min(micros(moment.lease)));
                }
                if self.announced.is_some() && !is_new {
                    // This member knows better, and the others hear of it soon.
                    return Some(Heard { is_open: true, ..Heard::default() });
                }
                let heard = self.heard_limit(answer.gap, answer.burst, true, now);
                let factor = self.part() / share_before;
                let scale = heard.limit.map(|(rate, burst)| Scale { factor, rate, burst });
                Some(if is_new { heard } else { Heard { limit: None, scale, ..heard } })
            }
            _ => {
                // No quiet goes on. The store knows no rate, and this member may.
                (self.quiet_until, self.probing, self.probe_until) = (None, None, None);
                if is_dropped {
                    self.forget_rate();
                }
                self.announced = (self.gap > 0).then_some(false);
                self.ask_at = now.saturating_add(moment.lease / ASKS_OF_SEARCH);
                Some(Heard { is_open: true, is_dropped, ..Heard::default() })
            }
        }
    }

    /// Takes in the answer to news of this member.
    pub(in crate::pace) fn hear_published(
        &mut self,
        number: u64,
        answer: &PublishAnswer,
        moment: &Moment,
    ) -> Option<Heard> {
        if self.open != Some(number) {
            return None;
        }
        self.open = None;
        if !is_valid(answer.gap, answer.burst, 1) {
            return None;
        }
        self.hear_serial(answer.serial, moment.now);
        if answer.quiet > 0 {
            return Some(self.heard_quiet(shift(moment.now, answer.quiet), moment));
        }
        let is_new = answer.written == 0 && answer.gap > 0;
        is_new.then(|| self.heard_limit(answer.gap, answer.burst, false, moment.now))
    }

    /// Takes in that the store could not run a script for this key.
    pub(in crate::pace) fn hear_failed(&mut self, number: u64, now: Duration) {
        if self.open == Some(number) {
            self.unreachable();
            self.ask_at = now.saturating_add(FAILED);
        }
    }

    /// Takes in news of the store.
    pub(in crate::pace) fn hear_news(&mut self, news: &News, moment: &Moment) -> Option<Heard> {
        if !is_valid(news.gap, news.burst, 1) || news.serial < self.serial {
            return None;
        }
        self.hear_serial(news.serial, moment.now);
        match news.kind {
            News::QUIET => Some(self.heard_quiet(shift(moment.now, news.until), moment)),
            News::OPENED if news.gap == 0 && self.quiet_until.is_some() => {
                // The member whose probe was served looks for the rate, and others would only be refused beside it.
                let heard = self.heard_quiet(moment.now.saturating_add(SEARCH), moment);
                self.waits_for_rate = true;
                Some(heard)
            }
            News::DROPPED => {
                self.forget_rate();
                Some(Heard { is_dropped: true, ..Heard::default() })
            }
            News::OPENED => {
                let is_found = self.has_waited_for_rate(moment.now);
                Some(Heard {
                    is_found,
                    is_lower_bound: is_found,
                    ..self.heard_limit(news.gap, news.burst, true, moment.now)
                })
            }
            News::ANNOUNCED if news.gap > 0 => {
                let is_found = self.has_waited_for_rate(moment.now);
                Some(Heard { is_found, ..self.heard_limit(news.gap, news.burst, is_found, moment.now) })
            }
            _ => None,
        }
    }

    /// Returns whether this member waits until now for another one to find the rate. It does so no more.
    fn has_waited_for_rate(&mut self, now: Duration) -> bool {
        let waits = std::mem::take(&mut self.waits_for_rate);
        waits && self.quiet_until.is_some_and(|until| now <= until)
    }

    fn hear_serial(&mut self, serial: i64, now: Duration) {
        if serial > self.serial {
            self.serial = serial;
            self.void(now);
        }
    }

    fn heard_quiet(&mut self, until: Duration, moment: &Moment) -> Heard {
        let latest = moment.now.saturating_add(MAX_QUIET);
        let until = until.min(latest);
        // What was told meanwhile is no news any more.
        self.quiet = self.quiet.filter(|own| *own > until);
        (self.opened, self.lone_search) = (None, None);
        self.quiet_until = Some(self.quiet_until.map_or(until, |own| own.max(until)));
        (self.probing, self.probe_until) = (None, None);
        Heard { stop: Some(until), ..Heard::default() }
    }

    fn heard_limit(&mut self, gap: i64, burst: i64, is_open: bool, now: Duration) -> Heard {
        if is_open {
            (self.quiet_until, self.probing, self.probe_until) = (None, None, None);
        }
        if gap == 0 {
            return Heard { is_open, ..Heard::default() };
        }
        self.is_paced |= is_open;
        let is_cut = gap > self.gap;
        // What served sends shorten the gap by is no other rate.
        if is_cut || gap * 20 < self.gap * 19 {
            self.others.begin_rate();
            self.rate_changed_at = now;
        }
        (self.gap, self.burst) = (gap, burst);
        self.announced = None;
        self.own_rate = 1e6 / gap as f64 * self.part();
        self.own_burst = (burst as f64 / 1_000.0 * self.part()).max(1.0);
        Heard { is_open, limit: Some((self.own_rate, self.own_burst)), is_cut, ..Heard::default() }
    }
}

/// Returns whether the numbers of the store are in their bounds. A store that anybody may write to must not open a key.
fn is_valid(gap: i64, burst: i64, born: i64) -> bool {
    born == 0 || (0..=MAX_GAP).contains(&gap) && (1_000..=MAX_BURST).contains(&burst)
}

/// The longest quiet that a member takes from the store.
const MAX_QUIET: Duration = Duration::from_secs(86_400);
/// The questions in a lease while a member looks for a rate that the store does not know. What the others serve tells it, and is
/// soon old while rates double.
const ASKS_OF_SEARCH: u32 = 4;
/// The time for which a member may send the probe after it got the right to.
const PROBE: Duration = Duration::from_secs(1);
/// The time after which an entry is tried again that the store could not reach.
const FAILED: Duration = Duration::from_secs(1);
