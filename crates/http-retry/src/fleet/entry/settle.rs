//! The script `settle`: a member reports what its successes earned and its resends cost, and borrows tokens.

use super::{SECOND, THOUSAND, bound, div, numbers};

numbers! {
    /// The store's entry of one retry budget. Tokens are in thousandths.
    BudgetEntry {
        /// The time up to which the minimum has accrued.
        at,
        /// The tokens that no member has borrowed. Resends in debt may bring it below 0.
        tokens,
        /// The tokens that the budget holds, by the lowest setting of the members.
        capacity,
        /// The tokens that accrue per second, by the lowest setting of the members.
        min_rate,
        /// The time at which the entry was made. It also tells this entry from one that was forgotten, so it never changes.
        born,
        /// The time at which a member last named this capacity.
        capacity_at,
        /// The time at which a member last named this minimum.
        min_rate_at,
    }
}

numbers! {
    /// A member's report on its part of a budget, and its wish for tokens. Tokens are in thousandths.
    SettleQuestion {
        /// The tokens that successes earned since the last report.
        earned,
        /// The tokens of resends that the member sent without having borrowed them.
        spent,
        /// The tokens that the member wants to borrow.
        want,
        /// The borrowed tokens that the member gives back.
        back,
        /// The capacity by the member's settings.
        capacity,
        /// The tokens per second by the member's settings.
        min_rate,
        /// The tokens of the last answer.
        level,
        /// The time of birth in the last answer, or 0.
        born,
        /// The number of members that the member knows.
        members,
    }
}

numbers! {
    /// The answer to a [`SettleQuestion`]. Tokens are in thousandths.
    SettleAnswer {
        /// The tokens that the member borrows.
        lent,
        /// The tokens that are left for all members.
        level,
        /// The time at which the entry was made.
        born,
    }
}

impl SettleQuestion {
    fn bounded(&self) -> Self {
        Self {
            earned: bound(self.earned, 0, MAX_TOKENS),
            spent: bound(self.spent, 0, MAX_TOKENS),
            want: bound(self.want, 0, MAX_TOKENS),
            back: bound(self.back, 0, MAX_TOKENS),
            capacity: bound(self.capacity, 0, MAX_TOKENS),
            min_rate: bound(self.min_rate, 0, MAX_MIN_RATE),
            level: bound(self.level, -MAX_TOKENS, MAX_TOKENS),
            born: self.born,
            members: bound(self.members, 1, MAX_MEMBERS),
        }
    }
}

/// Takes in a member's report, and lends it tokens.
///
/// 1. A new entry is full, unless the member knows the level of one that was forgotten. A member that knows another birth
///    brings its level in the first 30 s, and the lowest one counts.
/// 2. The lowest capacity and minimum count that a member named in the last 30 s.
/// 3. The minimum accrues. Earned and returned tokens are added up to the capacity, and then those of debts are taken.
/// 4. A member borrows at most a quarter of its part of the capacity, or one token if that is more, and never more than there
///    are.
pub fn settle(slot: &mut Option<BudgetEntry>, now: i64, question: &SettleQuestion) -> SettleAnswer {
    let question = question.bounded();
    let known = if question.born > 0 { question.level } else { MAX_TOKENS };
    let entry = slot.get_or_insert_with(|| BudgetEntry {
        at: now,
        tokens: known.min(question.capacity),
        capacity: question.capacity,
        min_rate: question.min_rate,
        born: now,
        capacity_at: now,
        min_rate_at: now,
    });
    entry.move_to(now);
    let is_young = now >= entry.born && now - entry.born < YOUNG;
    if is_young && question.born != entry.born {
        entry.tokens = entry.tokens.min(known);
    }
    entry.accrue(now);
    if question.capacity <= entry.capacity || now - entry.capacity_at > NAMED {
        entry.capacity = question.capacity;
        entry.capacity_at = now;
    }
    if question.min_rate <= entry.min_rate || now - entry.min_rate_at > NAMED {
        entry.min_rate = question.min_rate;
        entry.min_rate_at = now;
    }
    let added = (entry.tokens + question.earned + question.back).min(entry.capacity);
    entry.tokens = (added - question.spent).max(-entry.capacity);
    let part = div(entry.capacity, 4 * question.members).max(THOUSAND);
    let lent = question.want.min(part).min(entry.tokens.max(0));
    entry.tokens -= lent;
    SettleAnswer { lent, level: entry.tokens, born: entry.born }
}

impl BudgetEntry {
    fn move_to(&mut self, now: i64) {
        let back = self.at - now;
        if back > 0 {
            self.at = now;
            self.capacity_at -= back;
            self.min_rate_at -= back;
        }
    }

    /// Adds the tokens that the minimum has accrued. The time moves on by whole thousandths of a token, so that frequent
    /// reports lose no more than a microsecond each.
    fn accrue(&mut self, now: i64) {
        let elapsed = (now - self.at).min(MAX_ELAPSED);
        let accrued = div(elapsed * self.min_rate, SECOND);
        self.tokens = (self.tokens + accrued).min(self.capacity);
        if self.min_rate == 0 || self.tokens == self.capacity || now - self.at > MAX_ELAPSED {
            self.at = now;
        } else {
            // This rounds up.
            self.at -= div(-accrued * SECOND, self.min_rate);
        }
    }

    /// Returns the time for which the store keeps the entry after it was written.
    pub fn expires_in(&self) -> i64 {
        let to_fill = if self.min_rate == 0 { 0 } else { div(2 * self.capacity, self.min_rate) * SECOND };
        bound(to_fill, 600 * SECOND, 86_400 * SECOND)
    }
}

/// The most tokens of a budget, in thousandths.
const MAX_TOKENS: i64 = 4_294_967_000;
/// The largest minimum, in thousandths of a token per second: 10,000 tokens.
const MAX_MIN_RATE: i64 = 10_000_000;
/// The longest time that accrues at once. A product with the largest minimum stays below 2^53.
const MAX_ELAPSED: i64 = 600 * SECOND;
const MAX_MEMBERS: i64 = 10_000;
/// A new entry hears for this long what other members know. Each member settles every 10 s.
const YOUNG: i64 = 30 * SECOND;
/// A setting counts for this long after a member named it.
const NAMED: i64 = 30 * SECOND;
