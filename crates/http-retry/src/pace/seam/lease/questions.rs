//! The requests of a shared key to the store, and when they are due.

use std::time::Duration;

use super::{LeaseState, Moment};
use crate::fleet::StoreCommand;
use crate::fleet::entry::{LeaseQuestion, News, PublishQuestion};
use crate::pace::seam::slots::micros;

impl LeaseState {
    /// Returns when the next request to the store is due.
    pub(in crate::pace) fn request_at(&self, moment: &Moment) -> Option<Duration> {
        if !moment.is_reachable || self.open.is_some() || self.id.is_none() {
            return None;
        }
        let now = moment.now;
        if self.quiet.is_some() || self.opened.is_some() || self.dropped {
            return Some(now);
        }
        let announced = self.announced.map(|_| self.announced_at.max(now));
        let renewed = self.probing.filter(|(sent_at, _)| now < sent_at.saturating_add(LONGEST_PROBE));
        let renewed = renewed.map(|(_, at)| at.saturating_add(RENEWED).max(now));
        let goes_on = self.lone_search_goes_on_at(moment);
        let asked = self.ask_for_slots_at(moment).map(|at| at.max(self.ask_at).max(now));
        [announced, renewed, goes_on, asked].into_iter().flatten().min()
    }

    fn ask_for_slots_at(&self, moment: &Moment) -> Option<Duration> {
        if let Some(until) = moment.stopped_until {
            let wants_probe = moment.waiting > 0 && self.probing.is_none() && !self.may_probe(moment.now);
            let is_back = self.is_alone && moment.is_reachable;
            return (wants_probe || is_back).then_some(if is_back { moment.now } else { until });
        }
        if self.gap == 0 && self.own_rate == 0.0 {
            // What the members are served in their search tells the rate of all. Without any, the others are heard each lease.
            let is_served = moment.served > self.served;
            let heard = self.asked_at.filter(|_| !is_served).map(|at| at.saturating_add(moment.lease));
            return moment.is_searching.then(|| heard.map_or(moment.now, |at| at.max(moment.now)));
        }
        let goes_back = self.is_leaving && self.slots.goes_back();
        if self.is_alone || self.debt > 0 || !self.is_paced || goes_back {
            return Some(moment.now);
        }
        if !self.is_ahead && moment.waiting > self.slots.due(moment.now) {
            // Slots may be free now.
            return Some(moment.now);
        }
        let half = moment.lease / 2;
        let at = self.slots.last().map_or(moment.now, |last| last.saturating_sub(half));
        let wants = moment.waiting > self.slots.len() || self.ahead(moment) > 0;
        wants.then_some(at)
    }

    /// The requests that wait and have no slot in hand. Slots that are spread over the time to come serve none that waits now.
    pub(super) fn short(&self, moment: &Moment) -> usize {
        let in_hand = if self.is_ahead { self.slots.len() } else { self.slots.due(moment.now) };
        moment.waiting.saturating_sub(in_hand)
    }

    /// The slots to ask for before there are requests for them.
    fn ahead(&self, moment: &Moment) -> usize {
        let age = moment.now.saturating_sub(self.rate_at).as_secs_f64();
        let per_lease = self.rate * (1.0 - age).max(0.0) * moment.lease.as_secs_f64();
        if per_lease < LEAST_AHEAD {
            return 0;
        }
        let want = (2.0 * per_lease) as usize;
        // Slots that are due at once may not be kept beyond this, or for longer than a lease, so they would only go round.
        let (most, least) = if self.is_ahead || self.spreads() {
            (want, want / 4)
        } else {
            let most = (want / 2).min(self.most_kept());
            (most, most / 4)
        };
        if self.slots.len() > least { 0 } else { most.saturating_sub(self.slots.len()) }
    }

    /// Returns the distance at which slots become due for requests that have not come yet: a part of that of the member's
    /// own sends. The rate of one that has just begun is not known yet, so its share of the limit is a bound.
    pub(super) fn spread(&self) -> Duration {
        let most = MOST_SPREAD * self.gap as f64 / 1e6 / self.part();
        let seconds = if self.rate > 0.0 { most.min(SPREAD / self.rate) } else { most };
        if self.spreads() { Duration::from_secs_f64(seconds) } else { Duration::ZERO }
    }

    /// Returns whether slots for requests that have not come yet are spread over their time, instead of being kept as a burst.
    /// The bound of a window is then loose by a lease, so the burst must be large.
    fn spreads(&self) -> bool {
        self.burst * self.share >= LEAST_SPREAD
    }

    /// Makes the next request to the store.
    pub(in crate::pace) fn next_request(&mut self, number: u64, moment: &Moment) -> Option<StoreCommand> {
        self.request_at(moment).filter(|at| *at <= moment.now)?;
        (self.open, self.opened_at) = (Some(number), moment.now);
        let now = moment.now;
        let question = PublishQuestion { serial: self.serial, ..PublishQuestion::default() };
        let with_rate = PublishQuestion { gap: self.gap, burst: self.burst, grow: self.growth(), ..question };
        if let Some(until) = self.quiet.take() {
            let quiet = micros(until.saturating_sub(now));
            return Some(StoreCommand::Publish(PublishQuestion { kind: News::QUIET, quiet, ..with_rate }));
        }
        if let Some(window) = self.opened.take() {
            self.announced = None;
            // The window is that of one member, and the burst of the fleet is the bound.
            let left =
                (window / self.part()).min(self.burst as f64 / 1_000.0).max(1.0_f64.min(window)) as i64 + 1;
            return Some(StoreCommand::Publish(PublishQuestion { kind: News::OPENED, left, ..with_rate }));
        }
        if self.goes_on_alone(moment) {
            return Some(StoreCommand::Publish(PublishQuestion { kind: News::OPENED, ..with_rate }));
        }
        if std::mem::take(&mut self.dropped) {
            return Some(StoreCommand::Publish(PublishQuestion { kind: News::DROPPED, ..question }));
        }
        if self.announced_at <= now {
            if let Some(is_refused) = self.announced.take() {
                self.announced_at = now.saturating_add(moment.lease);
                let refused = i64::from(is_refused);
                return Some(StoreCommand::Publish(PublishQuestion {
                    kind: News::ANNOUNCED,
                    refused,
                    ..with_rate
                }));
            }
        }
        if let Some((_, renewed_at)) = &mut self.probing {
            if renewed_at.saturating_add(RENEWED) <= now {
                *renewed_at = now;
                return Some(StoreCommand::Publish(PublishQuestion { kind: News::PROBING, ..question }));
            }
        }
        Some(StoreCommand::Lease(self.question(moment)))
    }

    fn question(&mut self, moment: &Moment) -> LeaseQuestion {
        let now = moment.now;
        self.age_rate(now);
        let is_stopped = moment.stopped_until.is_some();
        let short = self.short(moment);
        let ahead = if is_stopped { 0 } else { self.ahead(moment).saturating_sub(short) };
        let want = if is_stopped { moment.waiting.min(1) } else { short + ahead };
        let (back, back_in) = self.slots.take_back(now);
        let elapsed = self.asked_at.replace(now).map_or(SECOND, |at| micros(now.saturating_sub(at)));
        let passed = moment.served.saturating_sub(std::mem::replace(&mut self.served, moment.served));
        let passed = i64::try_from(passed).unwrap_or(0);
        self.others.asked(passed);
        self.has_room = false;
        let demand = (self.rate + moment.waiting as f64) * 1_000.0;
        LeaseQuestion {
            want: want as i64,
            debt: std::mem::take(&mut self.debt).into(),
            back,
            back_in,
            ahead: i64::from(ahead > 0),
            demand: demand as i64,
            elapsed: elapsed.min(SECOND),
            // A limit that nobody meets must not grow.
            served: if moment.waiting > 0 { passed } else { 0 },
            lease: micros(moment.lease),
            serial: self.serial,
            gap: self.gap,
            burst: self.burst,
            // A store that has forgotten the entry must not forget that a probe is due after the stop.
            quiet: moment.stopped_until.map_or(0, |until| micros(until.saturating_sub(now)).max(1)),
            passed,
        }
    }

    /// Returns by how much each served send shortens the gap of all: the growth of a learned limit, by time and by calls.
    fn growth(&self) -> i64 {
        GROWTH_BY_CALL + GROWTH_BY_TIME * self.gap / SECOND
    }
}

const SECOND: i64 = 1_000_000;
/// A probe in flight is reported this often, and for this long.
const RENEWED: Duration = Duration::from_millis(500);
const LONGEST_PROBE: Duration = Duration::from_secs(10);
/// The sends in one lease from which on slots are asked for ahead of time. Below, slots in hand would eat the burst of all.
const LEAST_AHEAD: f64 = 4.0;
/// The burst of a member, in millionths of a send, from which on slots are spread.
const LEAST_SPREAD: i64 = 16_000_000;
/// The part of the distance of a member's own sends by which slots are spread. With less, more of them are due than go.
const SPREAD: f64 = 0.8;
/// The most, in parts of the distance of the slots of the member's share.
const MOST_SPREAD: f64 = 1.0;
/// The growth per served send in millionths: 2 % of the aim of 1 % refused calls.
const GROWTH_BY_CALL: i64 = 200;
/// The growth per second in millionths, as after a cut.
const GROWTH_BY_TIME: i64 = 5_000;
