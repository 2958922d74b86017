//! The cut of a rate after a refusal, and the test whether refusals depend on the rate at all.

use super::{Moment, RateController, Refused};
use crate::pace::constants::{
    CHANCE, ENOUGH_PASSED, FALLS, FALLS_ON, FIRST_BASE, LATER, LEAST_FAULTY, LEAST_NOISE, LONG_ENOUGH,
    MOST_NOISE, MUCH_REFUSED, SOON, SOON_BY_CHANCE, TEST_FALL, TRIED, WELL_MEASURED,
};
use crate::pace::learned_limit::ClaimTest;
use crate::pace::opening::Opening;

impl RateController {
    /// Cuts the rate after a refusal, or the burst.
    pub(super) fn cut(&mut self, refused: &Refused, moment: &Moment) {
        let after = moment.sends.saturating_sub(refused.ordinal + 1) as f64;
        let Some(limit) = &mut self.limit else {
            return;
        };
        let recent = &mut *self.recent;
        // A burst that can hardly get smaller is not to blame either.
        let shared = refused.burst_part.map(|part| (part * limit.burst()).max(1.0));
        let shared = shared.filter(|burst| *burst < SMALLER_BURST * limit.burst());
        if let Some(burst) = shared.or_else(|| limit.refused_burst(after, moment.now)) {
            limit.cut_burst(burst);
            limit.exhausted(refused.sent_at, after, moment.now);
            recent.late_before = moment.now.into();
            return;
        }
        if std::mem::take(&mut self.has_gap) {
            recent.estimate.keep_last();
        }
        let enough = if self.share.short() > MUCH_REFUSED {
            WELL_MEASURED
        } else {
            (limit.rate() * LONG_ENOUGH).clamp(WELL_MEASURED, ENOUGH_PASSED)
        };
        let measured = recent.estimate.rate(enough).filter(|(_, passed)| *passed >= enough);
        let measured = measured.map(|(rate, _)| rate * moment.part);
        // A rate that is far too high is refused soon as well, so that tells of chance only where the rate is known.
        let is_measured_well = measured.is_some_and(|rate| rate > 0.85 * limit.rate());
        let is_soon = is_measured_well && refused.sent_at < limit.cut_at().saturating_add(SOON);
        let most = recent.estimate.most(enough).map(|most| most * moment.part);
        let most = most.filter(|most| *most < limit.rate());
        limit.cut(measured.or(most), moment.now);
        limit.exhausted(refused.sent_at, after, moment.now);
        recent.late_before = moment.now.into();
        if let Some(test) = &mut limit.test {
            test.soon = (test.soon + if is_soon { SOON_BY_CHANCE } else { LATER }).max(0.0);
        }
        self.judge(moment);
    }

    /// Takes back so many refusals of a request that was found to be at fault, and ends the claim if it came of such refusals.
    pub(in crate::pace) fn found_fault(&mut self, refusals: u32, moment: &Moment) {
        let Some(limit) = &mut self.limit else {
            return self.share.retract(refusals);
        };
        // At a limit that is known, requests are refused twice for no fault of their own.
        if limit.test.as_mut().is_some_and(ClaimTest::found_fault) {
            self.drop_faulty(moment);
        }
    }

    /// Drops the claim, because it came of the refusals of requests at fault.
    pub(in crate::pace) fn drop_faulty(&mut self, moment: &Moment) {
        #[cfg(feature = "fleet")]
        {
            // Requests that a limit of all has refused are served later.
            self.has_dropped = self.limit.as_ref().is_some_and(|limit| !limit.has_acquitted());
        }
        self.drop_claim(self.share.long().clamp(LEAST_FAULTY, MOST_NOISE), moment);
    }

    /// Ends the claim if the rate fell, and the refusals did not get rarer.
    fn judge(&mut self, moment: &Moment) {
        let Some(limit) = &mut self.limit else {
            return;
        };
        // The share of a member changes with its traffic, and the limit of all does not.
        let rate = limit.rate() / moment.part;
        let Some(test) = &mut limit.test else {
            return;
        };
        if test.soon > CHANCE {
            return self.drop_claim(self.share.long().min(MOST_NOISE), moment);
        }
        if rate > test.rate {
            test.begin(rate);
        }
        if !test.has_fallen {
            if rate < (1.0 - TEST_FALL) * test.rate {
                let share = self.share.long();
                test.begin(rate);
                (test.share, test.has_fallen) = (share, true);
            }
            return;
        }
        let (before, answers) = (test.share, f64::from(test.answers));
        if answers < (6.0 / before.max(0.02)).clamp(20.0, 300.0) {
            return;
        }
        let share = f64::from(test.refused) / answers;
        // At a limit the rate stays where it is. Chance lets it fall on.
        let is_same = share > (0.5 * before).max(FIRST_BASE) && rate < FALLS_ON * test.rate;
        // A limit that has fallen is met at its new rate, and refusals get rare there. Chance lets the rate fall on.
        let falls = if is_same { test.falls.saturating_add(1) } else { 0 };
        // The rate of a fleet goes up and down further, and each member has a part of the answers, so one fall tells less.
        let falls_far = moment.part == 1.0 || rate < FALLS_FAR * test.rate;
        let is_enough = share > LEAST_NOISE && falls_far || falls >= FALLS;
        let is_chance = is_same && is_enough && share < MOST_NOISE;
        if !is_chance {
            test.falls = falls;
            return test.begin(rate);
        }
        #[cfg(feature = "fleet")]
        {
            // What ends a claim sooner is the evidence of one member, which has a part of the answers.
            self.has_dropped = true;
        }
        self.drop_claim(share, moment);
    }

    /// Drops the claim of a limit: so many calls are refused whatever it is. The requests that wait follow in rounds, also those
    /// whose own hints end later, because the hints of many may end at once.
    pub(in crate::pace) fn dropped(&mut self, share: f64, moment: &Moment) {
        self.share.dropped(share, moment.now);
        if self.limit.is_none() {
            self.open_tolerantly(moment);
        }
    }

    /// Lets the requests that wait follow in rounds which refusals do not end.
    pub(super) fn open_tolerantly(&mut self, moment: &Moment) {
        if moment.queued > 0 {
            let opening = Opening::new(moment.unknown as f64, None, moment.now).tolerant();
            self.opening = Some(opening.into());
        }
    }

    /// Lets few requests go at first, because a limit is there of which nothing is known. The first refusal begins a search.
    pub(in crate::pace) fn looks_for_limit(&mut self, moment: &Moment) {
        if self.limit.is_none() && self.stop.is_none() {
            self.opening = Some(Opening::new(TRIED, Some(moment.now), moment.now).into());
        }
    }

    /// Drops the claim: so many calls are refused whatever the rate.
    fn drop_claim(&mut self, share: f64, moment: &Moment) {
        (self.limit, self.window) = (None, None);
        self.dropped(share, moment);
    }
}

/// The part of the rate to which a limit of several processes does not fall by itself.
const FALLS_FAR: f64 = 0.6;
/// The part of the known burst below which a burst is another one.
const SMALLER_BURST: f64 = 0.9;
