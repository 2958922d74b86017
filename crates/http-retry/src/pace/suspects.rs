//! The requests that were refused lately: by a limit, which serves them later, or each by its own fault.

mod refused_again;

use std::collections::VecDeque;

pub(super) use self::refused_again::{NewRequest, RefusedAgain};

/// The requests whose refusals counted as evidence and that were not served since, the newest last.
#[derive(Debug, Default)]
pub(super) struct Suspects(VecDeque<Suspect>);

#[derive(Clone, Copy, Debug)]
struct Suspect {
    /// The first send of the request.
    first: u64,
    /// The send whose refusal counted last, and the refused calls of the key until then.
    ordinal: u64,
    refused: u32,
    /// The refusals that came after others were served.
    again: u32,
}

impl Suspects {
    /// The list without a request.
    pub(super) const NONE: Self = Self(VecDeque::new());

    /// Notes the refusal of a send. `first` is the first send of its request, and `refused` the refused calls of the key until now.
    pub(super) fn refused(&mut self, first: u64, ordinal: u64, refused: u32) {
        let Some(suspect) = self.0.iter_mut().find(|suspect| suspect.first == first) else {
            if self.0.len() == MOST {
                self.0.pop_front();
            }
            return self.0.push_back(Suspect { first, ordinal, refused, again: 0 });
        };
        let calls = ordinal.saturating_sub(suspect.ordinal);
        if calls > u64::from(refused.wrapping_sub(suspect.refused)) {
            *suspect = Suspect { first, ordinal, refused, again: suspect.again + 1 };
        }
    }

    /// Notes that a request was served. Returns whether it had been refused, so that it was not at fault.
    pub(super) fn served(&mut self, first: u64) -> bool {
        let place = self.0.iter().position(|suspect| suspect.first == first);
        place.and_then(|place| self.0.remove(place)).is_some()
    }

    /// Returns how many requests were refused without others being served in between.
    pub(super) fn once(&self) -> usize {
        self.0.iter().filter(|suspect| suspect.again == 0).count()
    }

    /// Returns how often a request was refused again after others were served.
    pub(super) fn again(&self) -> u32 {
        self.0.iter().map(|suspect| suspect.again).sum()
    }

    /// Forgets all of them, and frees the memory.
    pub(super) fn clear(&mut self) {
        *self = Self::NONE;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The most requests that are kept.
const MOST: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_is_refused_again_counts_only_after_others_were_served() {
        let mut suspects = Suspects::default();
        suspects.refused(7, 7, 0);
        // The two calls since were refused as well.
        suspects.refused(7, 10, 3);
        assert_eq!((suspects.once(), suspects.again()), (1, 0));
        // Four calls were sent since, and three of them were refused: one was served.
        suspects.refused(7, 12, 4);
        assert_eq!((suspects.once(), suspects.again()), (0, 1));
        suspects.refused(7, 13, 5);
        assert_eq!(suspects.again(), 1);
    }

    #[test]
    fn a_request_that_is_served_is_no_suspect() {
        let mut suspects = Suspects::default();
        (0..40).for_each(|first| suspects.refused(first, first, first as u32));
        assert_eq!(suspects.once(), MOST, "the oldest are forgotten");
        assert!(!suspects.served(0));
        assert!(suspects.served(39) && !suspects.served(39));
        assert_eq!(suspects.once(), MOST - 1);
    }
}
