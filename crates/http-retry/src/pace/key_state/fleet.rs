//! A key of a member of a fleet: it shares what it learns, and hears what the others have learned.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::{Context, KeyState};
use crate::fleet::entry::News;
use crate::fleet::{Answer, Id, SharedKeyReport, StoreCommand};
use crate::pace::learned_limit::LearnedLimit;
use crate::pace::seam::{Counts, Heard, LeaseState, Moment, Seam};
use crate::pace::stop::Stop;
use crate::pace::wakers::Wakers;

impl KeyState {
    pub(super) fn lease_moment(&self, context: Context<'_>) -> Option<Moment> {
        let seam = context.seam?;
        let (settled, refused) = (context.entry.settled.load(Relaxed), context.entry.refused.load(Relaxed));
        Some(Moment {
            now: context.now,
            lease: seam.lease(),
            members: seam.members(),
            waiting: self.traffic.queue.due_len(),
            served: settled.saturating_sub(refused.into()),
            stopped_until: self.control.stop_ref().map(Stop::until),
            is_reachable: seam.is_reachable(),
            is_searching: self.is_searching(),
            is_plain: self.is_plain(),
        })
    }

    /// Returns whether the key has a limit that the others do not hear of yet: its rate is not known, or its refusals may be the
    /// fault of the refused requests.
    fn is_searching(&self) -> bool {
        let is_plain = self.is_limit_of_all() || self.is_plain();
        self.control.limit().is_some_and(|limit| limit.is_search() || !is_plain)
    }

    /// Returns whether refusals are not the fault of the refused requests: one of them was served, or there are many.
    fn is_plain(&self) -> bool {
        self.control.limit().is_some_and(LearnedLimit::has_acquitted) || self.traffic.suspects.once() >= CROWD
    }

    /// Returns whether the fleet knows the limit.
    pub(super) fn is_limit_of_all(&self) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.own_rate > 0.0)
    }

    /// Returns whether the store may know the key.
    pub(in crate::pace) fn is_shared(&self) -> bool {
        self.lease.is_some()
    }

    /// Shares what the key has learned. Returns when it has a request for the store.
    pub(in crate::pace) fn share(&mut self, context: Context<'_>) -> Option<Duration> {
        if self.control.take_dropped()
            && let Some(lease) = &mut self.lease
        {
            lease.tell_dropped();
        }
        let has_dropped = self.lease.as_ref().is_some_and(|lease| lease.has_dropped());
        if self.is_free() && !has_dropped {
            // The key has forgotten all, so no answer has spoken of it.
            self.lease = None;
            return None;
        }
        if let Some(moment) = self.lease_moment(context) {
            self.end_lone_search(&moment, context);
        }
        let is_searching = self.is_searching();
        let limit = self.control.limit().filter(|_| !is_searching);
        let limit = limit.map(|limit| (limit.rate(), limit.burst()));
        let until = self.control.stop_ref().map(Stop::until);
        if self.lease.is_none() && (limit.is_some() || is_searching || until.is_some()) {
            self.lease = context.seam.and_then(|seam| {
                let id = seam.id_of(context.entry.key)?;
                Some(Box::new(LeaseState::new(id, seam.is_reachable(), context.now)))
            });
        }
        if let Some(lease) = self.lease.as_mut().filter(|lease| lease.id.is_none()) {
            lease.id = context.seam.and_then(|seam| seam.id_of(context.entry.key));
        }
        let moment = self.lease_moment(context)?;
        let lease = self.lease.as_mut()?;
        lease.assume_share(moment.members);
        let was_probing = lease.is_probing();
        match (until, lease.quiet_until) {
            (Some(until), known) if known.is_none_or(|known| until > known + INSTANT) => {
                lease.tell_quiet(until);
                count_probe(context, was_probing, |counts| &counts.probes_refused);
            }
            (None, Some(_)) => {
                lease.tell_opened(limit.map_or(1.0, |(_, burst)| burst * FIRST_PART), &moment);
                count_probe(context, was_probing, |counts| &counts.probes_served);
            }
            _ => {}
        }
        if until.is_none() {
            self.tell_limit(limit, &moment);
        }
        self.lease.as_ref()?.request_at(&moment)
    }

    /// Makes the next request to the store, if one is due.
    pub(in crate::pace) fn store_request(
        &mut self,
        number: u64,
        context: Context<'_>,
    ) -> Option<(Id, StoreCommand)> {
        self.advance(context);
        let moment = self.lease_moment(context)?;
        let lease = self.lease.as_mut()?;
        let id = lease.id?;
        let command = lease.next_request(number, &moment)?;
        if let (StoreCommand::Lease(question), Some(seam)) = (&command, context.seam) {
            seam.counts.returned(question.back);
        }
        Some((id, command))
    }

    /// Takes in an answer of the store.
    pub(in crate::pace) fn hear_answer(
        &mut self,
        number: u64,
        answer: &Answer,
        context: Context<'_>,
        wakers: &mut Wakers,
    ) {
        self.advance(context);
        let Some(moment) = self.lease_moment(context) else {
            return;
        };
        let Some(lease) = &mut self.lease else {
            return;
        };
        let was_joined = lease.is_joined();
        let heard = match answer {
            Answer::Lease(answer) => lease.hear_lease(number, answer, &moment),
            Answer::Publish(answer) => lease.hear_published(number, answer, &moment),
            _ => {
                lease.hear_failed(number, context.now);
                None
            }
        };
        let is_joined = lease.is_joined();
        if was_joined && !is_joined {
            self.control.begin_alone(context.now);
        } else if is_joined && !was_joined {
            self.control.begin_with_others();
        }
        self.take_in(heard, context, wakers);
    }

    /// Takes in news of another member.
    pub(in crate::pace) fn hear_news(
        &mut self,
        id: Id,
        news: &News,
        context: Context<'_>,
        wakers: &mut Wakers,
    ) {
        self.advance(context);
        let is_reachable = context.seam.is_none_or(|seam| seam.is_reachable());
        let lease =
            self.lease.get_or_insert_with(|| Box::new(LeaseState::new(id, is_reachable, context.now)));
        lease.assume_share(context.seam.map_or(1, |seam| seam.members()));
        let Some(moment) = self.lease_moment(context) else {
            return;
        };
        let heard = self.lease.as_mut().and_then(|lease| lease.hear_news(news, &moment));
        self.take_in(heard, context, wakers);
    }

    fn take_in(&mut self, heard: Option<Heard>, context: Context<'_>, wakers: &mut Wakers) {
        let heard = heard.unwrap_or_default();
        let moment = self.moment(context);
        if let Some((rate, burst)) = heard.limit {
            if self.control.limit().is_none_or(LearnedLimit::is_search) {
                // Whom an unknown limit refused says nothing against one that others have found.
                self.traffic.suspects.clear();
            }
            self.control.hear_limit(rate, burst, heard.is_cut, &moment);
        }
        if heard.is_dropped {
            self.control.hear_dropped(&moment);
        }
        if let Some(scale) = heard.scale {
            self.control.scale_limit(&scale);
        }
        if let Some(until) = heard.stop {
            self.control.hear_stop(until, &moment);
        }
        if heard.is_open {
            let members = context.seam.map_or(1, |seam| seam.members());
            self.control.hear_opened(members, &moment);
        }
        if heard.is_found {
            self.control.begin_found(heard.is_lower_bound, self.others_until(context.now), &moment);
        }
        self.offer(context, wakers);
    }

    /// The store does not answer any more.
    pub(in crate::pace) fn store_unreachable(&mut self, context: Context<'_>, wakers: &mut Wakers) {
        self.advance(context);
        if let Some(lease) = &mut self.lease {
            if lease.is_joined() {
                self.control.begin_alone(context.now);
            }
            lease.unreachable();
        }
        self.offer(context, wakers);
    }

    /// The store answers again.
    pub(in crate::pace) fn store_reachable(&mut self, context: Context<'_>) {
        let until = self.control.stop_ref().map(Stop::until);
        if let Some(lease) = &mut self.lease {
            lease.reachable(until, context.now);
        }
    }

    /// The pace is in another fleet, or in none. What is known of the key stays.
    pub(in crate::pace) fn move_to_fleet(&mut self, context: Context<'_>, wakers: &mut Wakers) {
        if !context.seam.is_some_and(Seam::is_in_fleet) {
            self.lease = None;
            return self.offer(context, wakers);
        }
        self.store_unreachable(context, wakers);
        self.store_reachable(context);
        if let Some(lease) = &mut self.lease {
            lease.move_to_fleet();
        }
    }

    /// Gives all slots back to the store.
    pub(in crate::pace) fn leave_fleet(&mut self) {
        if let Some(lease) = &mut self.lease {
            lease.leave();
        }
    }

    /// Returns the calls of the other members that were served until then, as far as the store has told.
    pub(super) fn others_until(&self, sent_at: Duration) -> u64 {
        self.lease.as_ref().map_or(0, |lease| lease.others_until(sent_at))
    }

    /// Returns the part of the burst that the limit can have at most, if the refusal of a send proves that.
    pub(super) fn refused_burst(&self, sent_at: Duration, context: Context<'_>) -> Option<f64> {
        self.lease.as_ref()?.refused_burst(sent_at, context.seam?.lease())
    }

    /// Returns the part of the limit that is this member's.
    pub(super) fn part_of_limit(&self) -> f64 {
        self.lease.as_ref().map_or(1.0, |lease| lease.part_of_measure())
    }

    /// Returns the part of the requests of all members that are taken to be this member's.
    pub(super) fn part_of_load(&self) -> f64 {
        self.lease.as_ref().map_or(1.0, |lease| lease.part_of_load())
    }

    /// Counts a probe without an answer.
    pub(super) fn probe_lost_in_lease(&self, context: Context<'_>) {
        if let Some(seam) = context.seam.filter(|_| self.lease.is_some()) {
            seam.counts.probes_lost.fetch_add(1, Relaxed);
        }
    }

    /// Describes the key to operators, with the time at which it was last used.
    pub(in crate::pace) fn shared_report(&self, now: Duration) -> Option<(Duration, SharedKeyReport)> {
        self.lease.as_ref().and_then(|lease| lease.report(now))
    }
}

fn count_probe(context: Context<'_>, was_probing: bool, counter: fn(&Counts) -> &AtomicU64) {
    if let Some(seam) = context.seam.filter(|_| was_probing) {
        counter(&seam.counts).fetch_add(1, Relaxed);
    }
}

/// The requests that were refused once after which a limit is told to all, although it has served none of them yet.
const CROWD: usize = 4;
/// Times of the store are whole microseconds, so two that are nearer are the same.
const INSTANT: Duration = Duration::from_millis(1);
/// The part of the burst that goes at once after a probe.
const FIRST_PART: f64 = crate::pace::constants::FIRST_OPENING;
