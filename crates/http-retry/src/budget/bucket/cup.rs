//! A cup: a part of the bucket, on a cache line of its own.

use std::cell::Cell;

#[cfg(loom)]
use loom::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
#[cfg(loom)]
use loom::{lazy_static, thread_local};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// As much as its share of the capacity, in thousandths of a token.
///
/// All is relaxed, since no other memory is guarded by it. Processors fetch lines in pairs.
#[repr(align(128))]
pub(super) struct Cup {
    capacity: u32,
    thousandths: AtomicU32,
}

impl Cup {
    /// Full ones, which hold `capacity` together.
    pub(super) fn share(capacity: u32) -> [Self; COUNT] {
        let count = COUNT as u32;
        std::array::from_fn(|place| {
            let capacity = capacity / count + u32::from((place as u32) < capacity % count);
            Self { capacity, thousandths: AtomicU32::new(capacity) }
        })
    }

    #[inline]
    pub(super) fn thousandths(&self) -> u32 {
        self.thousandths.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.thousandths() >= self.capacity
    }

    /// Takes all of `cost`, or nothing where there is less; whether it did.
    pub(super) fn take(&self, cost: u32) -> bool {
        self.update(|thousandths| thousandths.checked_sub(cost)).is_some()
    }

    /// Takes what is there, `cost` at most; how much that was.
    pub(super) fn take_up_to(&self, cost: u32) -> u32 {
        let before = self.update(|thousandths| (thousandths > 0).then(|| thousandths.saturating_sub(cost)));
        before.map_or(0, |before| before.min(cost))
    }

    /// Puts in what there is room for, `reward` at most; how much that was.
    pub(super) fn put_up_to(&self, reward: u32) -> u32 {
        let more = |thousandths| reward.min(self.capacity - thousandths);
        let before = self.update(|thousandths| {
            Some(more(thousandths)).filter(|&more| more > 0).map(|more| thousandths + more)
        });
        before.map_or(0, more)
    }

    /// What was in it, unless `next` declines and nothing is written. Whoever met another thread here goes elsewhere from now
    /// on.
    fn update(&self, next: impl Fn(u32) -> Option<u32>) -> Option<u32> {
        let mut tries = 0;
        let before = self.thousandths.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |thousandths| {
            tries += 1;
            next(thousandths)
        });
        if tries > 1 {
            move_on();
        }
        before.ok()
    }
}

/// The place of the one that the thread asks first.
#[inline]
pub(super) fn own() -> usize {
    OWN.with(Cell::get)
}

/// Has the thread ask the next one first.
#[cold]
fn move_on() {
    OWN.with(|own| own.set((own.get() + 1) % COUNT));
}

thread_local! {
    static OWN: Cell<usize> = Cell::new(THREADS.fetch_add(1, Ordering::Relaxed) % COUNT);
}

#[cfg(not(loom))]
static THREADS: AtomicUsize = AtomicUsize::new(0);

#[cfg(loom)]
lazy_static! {
    static ref THREADS: AtomicUsize = AtomicUsize::new(0);
}

/// To look at all of them is part of each success.
pub(super) const COUNT: usize = if cfg!(loom) { 2 } else { 4 };

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn whoever_meets_another_thread_goes_elsewhere() {
        let [cup, ..] = Cup::share(100_000);
        let before = own();
        assert!(cup.take(1_000));
        assert_eq!(own(), before, "it met nobody");

        let is_first = Cell::new(true);
        let taken = cup.update(|thousandths| {
            if is_first.take() {
                cup.thousandths.store(thousandths - 500, Ordering::Relaxed);
            }
            thousandths.checked_sub(1_000)
        });
        assert_eq!((taken, cup.thousandths()), (Some(23_500), 22_500));
        assert_eq!(own(), (before + 1) % COUNT);
    }
}
