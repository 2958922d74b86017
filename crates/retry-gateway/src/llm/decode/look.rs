//! The bound of how many packed bodies the gateway reads at a time, because each of their decoders takes memory.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// Counts the decoders of packed bodies, up to [`MAX_LOOKS`].
#[derive(Debug, Default)]
pub(super) struct LookLimit(AtomicUsize);

/// One of the counted decoders, until it is dropped.
#[derive(Debug)]
pub(super) struct Look<'a>(&'a LookLimit);

/// The decoders of the process.
pub(super) static PACKED_LOOKS: LookLimit = LookLimit(AtomicUsize::new(0));

/// The most packed bodies that are read at a time. A decoder touches half a megabyte at most, so all of them touch 128 MiB.
const MAX_LOOKS: usize = 256;

impl LookLimit {
    /// Counts one more decoder. Returns `None` at the limit: the body is then as one that says nothing.
    pub(super) fn begin(&self) -> Option<Look<'_>> {
        let one_more = |count: usize| (count < MAX_LOOKS).then_some(count + 1);
        self.0.fetch_update(Relaxed, Relaxed, one_more).ok().map(|_| Look(self))
    }
}

impl Drop for Look<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_than_the_most_is_not_read_until_another_ends() {
        let limit = LookLimit::default();
        let mut looks: Vec<_> = (0..MAX_LOOKS).map(|_| limit.begin().unwrap()).collect();
        assert!(limit.begin().is_none());
        looks.pop();
        assert!(limit.begin().is_some() && limit.begin().is_some());
    }
}
