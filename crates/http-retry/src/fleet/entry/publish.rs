//! The script `publish`: a member shares with all others what it has learned of a key.

use super::{
    MAX_BURST, MAX_COUNT, MAX_GAP, MAX_GROW, MAX_QUIET, MAX_SERIAL, PROBE, PaceEntry, THOUSAND, bound,
    numbers,
};

numbers! {
    /// A member's news of a key for all others.
    PublishQuestion {
        /// The serial that the member knows, or 0.
        serial,
        /// [`News::QUIET`], [`News::ANNOUNCED`], [`News::OPENED`], [`News::PROBING`] or [`News::DROPPED`].
        kind,
        /// The time, from now, before which no member sends. It is for a quiet only.
        quiet,
        /// The distance of two slots, or 0 if it is as it was.
        gap,
        /// The slots that may be taken at once, in thousandths, or 0 if they are as they were.
        burst,
        /// The millionths of the gap by which each served send shortens it.
        grow,
        /// The number of slots that may go at once from now on, and 1 more. 0 means that it is as it was.
        left,
        /// 1 if a refusal is the reason, or 0.
        refused,
    }
}

numbers! {
    /// The answer to a [`PublishQuestion`].
    PublishAnswer {
        /// 1 if the entry was written, or 0.
        written,
        /// The time, from now, before which no member sends, or 0.
        quiet,
        /// The distance of two slots, or 0 if no rate is known.
        gap,
        /// The slots that may be taken at once, in thousandths.
        burst,
        /// The serial of the entry.
        serial,
    }
}

numbers! {
    /// The news that all members hear of a key.
    News {
        /// The serial of the entry. Slots of another serial are void.
        serial,
        /// [`QUIET`](Self::QUIET), [`ANNOUNCED`](Self::ANNOUNCED), [`OPENED`](Self::OPENED), [`PROBING`](Self::PROBING) or
        /// [`DROPPED`](Self::DROPPED).
        kind,
        /// The time, from now, before which no member sends, or until which the probe is believed. Otherwise 0.
        until,
        /// The distance of two slots, or 0 if no rate is known.
        gap,
        /// The slots that may be taken at once, in thousandths.
        burst,
    }
}

impl News {
    /// No member sends for some time.
    pub const QUIET: i64 = 1;
    /// The rate is another one, or few slots are left.
    pub const ANNOUNCED: i64 = 2;
    /// The quiet is over.
    pub const OPENED: i64 = 3;
    /// A member probes. This does not change the serial.
    pub const PROBING: i64 = 4;
    /// There is no limit of a rate: refusals do not depend on it.
    pub const DROPPED: i64 = 5;

    /// Returns the name of the kind in lower case, as metrics show it.
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            Self::QUIET => "quiet",
            Self::ANNOUNCED => "announced",
            Self::OPENED => "opened",
            Self::PROBING => "probing",
            Self::DROPPED => "dropped",
            _ => "unknown",
        }
    }
}

impl PublishQuestion {
    fn bounded(&self) -> Self {
        Self {
            serial: bound(self.serial, 0, MAX_SERIAL),
            kind: self.kind,
            quiet: bound(self.quiet, 0, MAX_QUIET),
            gap: bound(self.gap, 0, MAX_GAP),
            burst: if self.burst == 0 { 0 } else { bound(self.burst, THOUSAND, MAX_BURST) },
            grow: bound(self.grow, 0, MAX_GROW),
            left: bound(self.left, 0, MAX_COUNT),
            refused: self.refused,
        }
    }
}

/// Writes what a member has learned, if it knows the entry's serial or a later one. A quiet is written if it is later than that of
/// the entry, whatever the serial. Each of them raises the serial, which makes the slots void that are out, but for `PROBING` and
/// for a rate that has grown. A rate that is announced without a refusal, and is no higher than that of the entry, is old.
///
/// Without an entry, a quiet and a known gap make one; nothing else does.
pub fn publish(
    slot: &mut Option<PaceEntry>,
    now: i64,
    member: i64,
    question: &PublishQuestion,
) -> (PublishAnswer, Option<News>) {
    let question = question.bounded();
    let is_quiet = question.kind == News::QUIET && question.quiet > 0;
    let makes = is_quiet || (question.gap > 0 && ![News::PROBING, News::DROPPED].contains(&question.kind));
    let entry = match slot {
        Some(entry) => {
            entry.move_to(now);
            entry
        }
        None if makes => {
            slot.insert(PaceEntry::new(now, question.gap, question.burst.max(THOUSAND), question.serial))
        }
        None => return (PublishAnswer::default(), None),
    };
    let is_current = question.serial >= entry.serial;
    let until = match question.kind {
        News::QUIET if is_quiet && now + question.quiet > entry.quiet => {
            entry.write_quiet(now, member, &question)
        }
        News::ANNOUNCED if is_current && entry.quiet == 0 => entry.write_announced(now, &question),
        News::OPENED if is_current => entry.write_opened(now, &question),
        News::DROPPED if is_current && entry.quiet == 0 && entry.gap > 0 => entry.write_dropped(&question),
        News::PROBING if entry.probe == member && entry.quiet > 0 && entry.quiet <= now => {
            entry.probe_ends = now + PROBE;
            Some(PROBE)
        }
        _ => None,
    };
    let answer = PublishAnswer {
        written: i64::from(until.is_some()),
        quiet: if entry.quiet > now { entry.quiet - now } else { 0 },
        gap: entry.gap,
        burst: entry.burst,
        serial: entry.serial,
    };
    let news = until.map(|until| News {
        serial: entry.serial,
        kind: question.kind,
        until,
        gap: entry.gap,
        burst: entry.burst,
    });
    (answer, news)
}

/// Each of these returns the time of the news, from now.
impl PaceEntry {
    fn write_quiet(&mut self, now: i64, member: i64, question: &PublishQuestion) -> Option<i64> {
        if self.quiet == 0 {
            self.since = now;
        } else if self.probe == member {
            self.streak += 1;
        }
        self.quiet = now + question.quiet;
        self.write_rate(question);
        self.note_refusal(now);
        self.probe = 0;
        self.probe_ends = 0;
        self.tat = self.quiet;
        self.void(question.serial);
        Some(question.quiet)
    }

    fn write_announced(&mut self, now: i64, question: &PublishQuestion) -> Option<i64> {
        let keeps_burst = question.burst == 0 || question.burst * 100 >= self.burst * 99;
        if self.gap > 0 && question.gap > 0 && keeps_burst && question.refused == 0 && question.left == 0 {
            // A rate that has grown: the slots that are out are good, and another member may have told a higher one.
            let has_grown = question.gap < self.gap;
            if has_grown {
                self.write_rate(question);
                self.grow = question.grow;
            }
            return has_grown.then_some(0);
        }
        self.write_rate(question);
        self.grow = question.grow;
        if question.refused == 1 {
            self.note_refusal(now);
        }
        self.restart(now, question, self.tat);
        Some(0)
    }

    fn write_opened(&mut self, now: i64, question: &PublishQuestion) -> Option<i64> {
        self.write_rate(question);
        self.grow = question.grow;
        self.quiet = 0;
        self.since = 0;
        self.streak = 0;
        self.probe = 0;
        self.probe_ends = 0;
        self.passed = 0;
        self.refused_at = 0;
        self.opened = now;
        // Without a number, one slot is free at once.
        self.restart(now, question, now);
        Some(0)
    }

    fn write_dropped(&mut self, question: &PublishQuestion) -> Option<i64> {
        (self.gap, self.carry, self.grow) = (0, 0, 0);
        self.void(question.serial);
        Some(0)
    }

    fn write_rate(&mut self, question: &PublishQuestion) {
        if question.gap > 0 {
            self.gap = question.gap;
            self.carry = 0;
        }
        if question.burst > 0 {
            self.burst = question.burst;
        }
    }

    fn note_refusal(&mut self, now: i64) {
        if self.refused_at == 0 {
            self.refused_at = now;
        }
    }

    /// Makes the slots void that are out, and sets the next free slot: to `tat`, but not more than a gap from now, because no
    /// later slot is taken any more, and not before the slots that are left.
    fn restart(&mut self, now: i64, question: &PublishQuestion, tat: i64) {
        self.void(question.serial);
        self.tat = tat.min(now + self.gap);
        if question.left > 0 {
            let left = now - (question.left - 2) * self.gap;
            self.tat = if question.kind == News::OPENED { left } else { left.max(self.tat) };
        }
        if self.gap > 0 {
            self.lapse(now);
        }
    }
}
