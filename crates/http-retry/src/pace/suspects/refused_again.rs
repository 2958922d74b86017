//! Tells whether requests are refused for a reason of their own, however many they are: those that were refused before are
//! refused again, while new ones are served.

use crate::pace::constants::PLAINLY_FAULTY;

/// The cases in which a new request was served between two refusals of another one.
///
/// A limit does not ask how often a request was sent. Of a new request and one that it refused before, it serves either as
/// likely as the other. So each case is a throw of a coin.
#[derive(Debug, Default)]
pub(in crate::pace) struct RefusedAgain {
    /// The new request whose outcome is waited for, and the last one that was served and belongs to no case yet.
    asked: Option<NewRequest>,
    served: Option<NewRequest>,
    cases: u8,
}

/// The first send of a request.
#[derive(Clone, Copy, Debug)]
pub(in crate::pace) struct NewRequest {
    pub(in crate::pace) ordinal: u64,
    /// The outcome of each send before this one was known when the request left.
    pub(in crate::pace) known_until: u64,
    /// The other calls in flight when it left.
    pub(in crate::pace) beside: u32,
}

impl RefusedAgain {
    pub(in crate::pace) const NONE: Self = Self { asked: None, served: None, cases: 0 };

    /// Notes the send of a new request. One is waited for at a time.
    pub(in crate::pace) fn sent(&mut self, new: NewRequest) {
        if self.asked.is_none_or(|asked| asked.ordinal < new.known_until) {
            self.asked = Some(new);
        }
    }

    /// Notes that a new request was served.
    pub(in crate::pace) fn served_new(&mut self, ordinal: u64) {
        if let Some(new) = self.asked.take_if(|asked| asked.ordinal == ordinal) {
            self.served = Some(new);
        }
    }

    /// Notes that a request was served that had been refused. It speaks against half of the cases.
    pub(in crate::pace) fn served_again(&mut self) {
        (self.served, self.cases) = (None, self.cases / 2);
    }

    /// Notes the refusal of a send beside so many others. `previous` is the send before of the same request. The new request
    /// must have left when the refusal of that one was known. A limit of how many at a time refuses a call beside more others, and
    /// all that come after a window is used up are one case.
    pub(in crate::pace) fn refused(&mut self, ordinal: u64, previous: Option<u64>, beside: u32) {
        self.asked.take_if(|asked| asked.ordinal == ordinal);
        let is_between = |new: NewRequest| {
            previous.is_some_and(|previous| previous < new.known_until) && new.ordinal < ordinal
        };
        if self.served.take_if(|new| is_between(*new) && beside <= new.beside).is_some() {
            self.cases = (self.cases + 1).min(2 * PLAINLY_FAULTY);
        }
    }

    pub(in crate::pace) fn is_at_rest(&self) -> bool {
        self.cases == 0
    }

    /// Returns whether there are so many cases that a limit does not explain them.
    pub(in crate::pace) fn is_plain(&self) -> bool {
        self.cases >= PLAINLY_FAULTY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Serves a new request that left when all was known of the sends before `known_until`.
    fn serve(again: &mut RefusedAgain, ordinal: u64, known_until: u64) {
        again.sent(NewRequest { ordinal, known_until, beside: 3 });
        again.served_new(ordinal);
    }

    #[test]
    fn requests_are_at_fault_that_are_refused_again_and_again_while_new_ones_are_served() {
        let mut again = RefusedAgain::default();
        for case in 0..u64::from(PLAINLY_FAULTY) {
            assert!(!again.is_plain());
            serve(&mut again, 10 * case + 1, 10 * case + 1);
            // The other two are refused in the same crowd.
            (2..5).for_each(|later| again.refused(10 * case + later, Some(10 * case), 3));
        }
        assert!(again.is_plain());
        again.served_again();
        assert!(!again.is_plain(), "one that had been refused is served");
    }

    #[test]
    fn a_limit_explains_what_a_new_request_has_no_part_in() {
        for (previous, beside, why) in [
            (Some(12), 3, "the new request left before the first refusal"),
            (Some(7), 3, "the new request left before the first refusal was known"),
            (Some(0), 4, "the refused one left beside more others"),
            (None, 3, "the refused one is new"),
        ] {
            let mut again = RefusedAgain::default();
            for case in 0..100 {
                serve(&mut again, 20 * case + 10, 20 * case + 5);
                again.refused(20 * case + 15, previous.map(|previous| 20 * case + previous), beside);
            }
            assert!(!again.is_plain(), "{why}");
        }
    }
}
