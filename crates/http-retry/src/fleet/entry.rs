//! The arithmetic of the store: each function takes an entry, the time and a question, and returns the answer.
//!
//! A store runs these functions, or scripts that do the same word by word, so each of them is one indivisible step. All
//! numbers are whole and below 2^53, because a script in Lua has no other whole numbers. A division rounds down, also below 0
//! (`math.floor(a / b)`). Times are microseconds of the store's clock, and times in answers are `in` microseconds from the
//! moment of the answer: they may be negative. The member adds them to its own clock when it gets the answer, so it is late
//! by half a trip and never early.
//!
//! | function | question | answer | entry |
//! |---|---|---|---|
//! | [`lease`] | [`LeaseQuestion`] | [`LeaseAnswer`] | [`PaceEntry`] |
//! | [`publish`] | [`PublishQuestion`] | [`PublishAnswer`], and [`News`] if something was written | [`PaceEntry`] |
//! | [`settle`] | [`SettleQuestion`] | [`SettleAnswer`] | [`BudgetEntry`] |
//! | [`join`] | [`JoinQuestion`] | [`JoinAnswer`] | [`MemberRecord`]s |
//!
//! A script takes the layout (1), the number of the member, and then the numbers of the question in the order of its fields
//! (`NAMES`). It returns the numbers of the answer in the order of its fields, and it keeps an entry as a hash with the names
//! of the fields. A field or an argument that is missing is 0; one that a script does not know stays as it is.

mod join;
mod lease;
mod numbers;
mod publish;
mod settle;
#[cfg(test)]
mod tests;

pub use self::join::{JoinAnswer, JoinQuestion, MemberRecord, SILENT_AFTER, join};
pub use self::lease::{LeaseAnswer, LeaseQuestion, lease};
use self::numbers::{bound, div, numbers};
pub use self::publish::{News, PublishAnswer, PublishQuestion, publish};
pub use self::settle::{BudgetEntry, SettleAnswer, SettleQuestion, settle};

numbers! {
    /// The store's entry of one key of a pace.
    PaceEntry {
        /// The time at which the entry was made. It also tells this entry from one that was forgotten, so it never changes.
        born,
        /// The time at which the entry was last written.
        at,
        /// The time of the next free slot.
        tat,
        /// The distance of two slots, from 1 to 1,000,000. It is 0 while no rate is known.
        gap,
        /// The slots that may be taken at once, in thousandths, from 1,000 to 1,000,000,000.
        burst,
        /// The time until which slots may be out that were given out early. Until then, the entry earns at most half of the
        /// burst, because the members may have the other half in hand.
        ahead,
        /// The time before which no member sends. It is 0 once the key has been opened. A time that is over means that the
        /// next send is a probe.
        quiet,
        /// The time at which the quiet began, or 0.
        since,
        /// The probes in a row that were refused.
        streak,
        /// The number of the member that probes, or 0.
        probe,
        /// The time until which the member is believed to probe.
        probe_ends,
        /// A number that rises whenever slots that were given out before are void.
        serial,
        /// The sends that were served since the key was opened.
        passed,
        /// The time of the first refusal since the key was opened, or 0.
        refused_at,
        /// The millionths of the gap by which each served send shortens the gap.
        grow,
        /// The sends per second that all members want, in thousandths, by a sliding second.
        demand,
        /// The time up to which the demand has been aged.
        demand_at,
        /// The time at which the key was opened last, or 0.
        opened,
        /// The part of a microsecond, in millionths, by which the gap is too long as yet.
        carry,
        /// Slots that came back while later ones are out. They may go at once, and count against the burst.
        spare,
        /// The time from which on the spare slots may go.
        spare_at,
        /// The time at which slots last lapsed because the whole burst was free, or 0.
        full_at,
        /// The sends of all members that were served since the entry was made.
        sum,
    }
}

impl PaceEntry {
    /// Creates an entry of what one member knows. One slot is free at once, and no more.
    fn new(now: i64, gap: i64, burst: i64, serial: i64) -> Self {
        Self { born: now, at: now, tat: now, gap, burst, serial, demand_at: now, ..Self::default() }
    }

    /// Moves the times of the entry back if the store's clock is behind them, and notes the time.
    fn move_to(&mut self, now: i64) {
        let back = self.at - now;
        if back > 0 {
            for time in [&mut self.tat, &mut self.ahead, &mut self.demand_at, &mut self.spare_at] {
                *time -= back;
            }
            // In these, 0 means that there is no such time.
            for time in [
                &mut self.quiet,
                &mut self.since,
                &mut self.probe_ends,
                &mut self.refused_at,
                &mut self.opened,
                &mut self.full_at,
            ] {
                if *time > 0 {
                    *time = (*time - back).max(1);
                }
            }
        }
        self.at = now;
    }

    /// Returns the part of the burst that the entry may earn, in thousandths.
    fn room(&self, now: i64) -> i64 {
        if self.ahead > now { div(self.burst, 2).max(THOUSAND) } else { self.burst }
    }

    /// Lets the slots lapse that the room does not hold.
    fn lapse(&mut self, now: i64) {
        let room = self.room(now);
        // One slot of the burst is for the next one that falls due: the server may have had no room for it.
        self.spare = self.spare.min(div(room, THOUSAND) - 1);
        let free = room - self.spare * THOUSAND - THOUSAND;
        let earliest = now - div(free * self.gap, THOUSAND);
        if self.tat < earliest {
            self.tat = earliest;
            if room == self.burst {
                self.full_at = now;
            }
        }
    }

    /// Makes all slots void that were given out before.
    fn void(&mut self, known: i64) {
        self.serial = self.serial.max(known) + 1;
        self.spare = 0;
        self.spare_at = 0;
    }

    /// Returns the time for which the store keeps the entry after it was written.
    pub fn expires_in(&self) -> i64 {
        (600 * SECOND).max(self.quiet - self.at + 60 * SECOND)
    }
}

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;
const THOUSAND: i64 = 1_000;
const MILLION: i64 = 1_000_000;
/// The longest gap.
pub(super) const MAX_GAP: i64 = SECOND;
/// The largest burst, in thousandths.
pub(super) const MAX_BURST: i64 = MILLION * THOUSAND;
/// The largest number of slots in one question.
const MAX_COUNT: i64 = MILLION;
/// The largest demand of one member, in thousandths of a send per second.
const MAX_DEMAND: i64 = MILLION * THOUSAND;
/// The largest demand of all members. A product with a second stays below 2^53.
const MAX_DEMAND_OF_ALL: i64 = 4 * MAX_DEMAND;
/// The longest lease. Two of them by the largest demand stay below 2^53.
const MAX_LEASE: i64 = 2 * SECOND;
/// The longest quiet: a day.
pub(super) const MAX_QUIET: i64 = 86_400 * SECOND;
/// The largest serial of a question. One that is larger counts as this, so a serial never runs out.
const MAX_SERIAL: i64 = 1 << 50;
/// The largest growth, in millionths of the gap.
const MAX_GROW: i64 = 10_000;
/// No slot is given that is later than this from now, so that no fault of a member holds a key for ever.
const MAX_AHEAD: i64 = 60 * SECOND;
/// The time for which a member is believed to probe.
const PROBE: i64 = SECOND;
/// A new entry hears for this long what other members know.
const YOUNG: i64 = SECOND;
