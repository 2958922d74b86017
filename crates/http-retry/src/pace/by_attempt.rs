//! Refusals that depend on how often a request was sent before, and not on the load.

use super::lazy_box::AtRest;

/// The outcomes of first attempts, second attempts, and so on.
#[derive(Debug, Default)]
pub(super) struct ByAttempt {
    outcomes: [Outcomes; ATTEMPTS],
    was_refused: bool,
    /// The number of times that a served call followed a refused one lately, or the other way round.
    turns: f32,
}

/// The outcomes of one attempt number, as means that forget.
#[derive(Clone, Copy, Debug, Default)]
struct Outcomes {
    served: f32,
    refused: f32,
}

impl ByAttempt {
    /// Counts a served call that had so many attempts before it.
    pub(super) fn served(&mut self, attempts: u32) {
        self.count(attempts, false);
    }

    /// Counts a refused call, and returns whether the refusals depend on the number of the attempt: the calls of this number
    /// are nearly all refused, while those of a higher number are nearly all served between them.
    pub(super) fn refused(&mut self, attempts: u32) -> bool {
        self.count(attempts, true);
        let index = (attempts as usize).min(ATTEMPTS - 1);
        let this = self.outcomes[index];
        let is_always = this.refused >= 3.0 && this.served < 0.05 * this.refused;
        let mut later = self.outcomes.iter().skip(index + 1);
        let is_served = |later: &Outcomes| later.served >= 1.5 && later.refused < 0.2 * later.served;
        is_always && self.turns >= TURNS && later.any(is_served)
    }

    fn count(&mut self, attempts: u32, is_refused: bool) {
        let turn = f32::from(u8::from(is_refused != self.was_refused));
        self.was_refused = is_refused;
        self.turns = self.turns * KEEPS_TURNS + turn;
        let outcomes = &mut self.outcomes[(attempts as usize).min(ATTEMPTS - 1)];
        let refused = f32::from(u8::from(is_refused));
        outcomes.served = outcomes.served * KEEPS + 1.0 - refused;
        outcomes.refused = outcomes.refused * KEEPS + refused;
    }
}

impl AtRest for ByAttempt {
    const REST: &'static Self = &Self {
        outcomes: [Outcomes { served: 0.0, refused: 0.0 }; ATTEMPTS],
        was_refused: false,
        turns: 0.0,
    };

    fn is_at_rest(&self) -> bool {
        let is_none = |outcomes: &Outcomes| outcomes.served == 0.0 && outcomes.refused == 0.0;
        self.outcomes.iter().all(is_none)
    }
}

/// The attempt numbers that are told apart.
const ATTEMPTS: usize = 5;
/// The part of the counts that each new outcome keeps.
const KEEPS: f32 = 0.98;
/// The part of the turns that each new outcome keeps. It is larger, because requests may come in crowds (refused-each).
const KEEPS_TURNS: f32 = 0.995;
/// The turns from refused to served and back that a limit does not cause: a window serves many, and then refuses many.
const TURNS: f32 = 3.5;

#[cfg(test)]
mod tests;
