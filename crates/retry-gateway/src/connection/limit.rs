//! How many may be there at a time.

use std::sync::Arc;

/// Places that are taken and given back.
#[derive(Debug, Default)]
pub(crate) struct Capacity(
    /// Whose owners, without this one, are those who have a place: one atomic counts and keeps.
    Arc<()>,
);

/// A place, until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Seat(#[expect(dead_code, reason = "it is only owned")] Arc<()>);

impl Capacity {
    /// A place, if fewer than `most` are taken. Of several who come for the last one at once, maybe none gets it.
    pub(crate) fn take(&self, most: usize) -> Option<Seat> {
        let seat = Arc::clone(&self.0);
        (Arc::strong_count(&seat) <= most.saturating_add(1)).then_some(Seat(seat))
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_there_again_once_it_is_given_back() {
        let capacity = Capacity::default();
        let (first, second) = (capacity.take(2), capacity.take(2));
        assert!(first.is_some() && second.is_some() && capacity.take(2).is_none());
        assert_eq!(capacity.taken(), 2);
        drop(first);
        assert!(capacity.take(2).is_some());
        // A bound that became smaller takes nobody's place away.
        assert!(capacity.take(1).is_none());
    }
}
