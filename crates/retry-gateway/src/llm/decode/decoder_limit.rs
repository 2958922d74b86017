//! The bound of how many packed bodies the gateway reads at a time, because each of their decoders takes memory.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// Counts the decoders of packed bodies, up to [`MAX_DECODERS`].
#[derive(Debug, Default)]
pub(super) struct DecoderLimit(AtomicUsize);

/// One of the counted decoders, until it is dropped.
#[derive(Debug)]
pub(super) struct DecoderPermit<'a>(&'a DecoderLimit);

/// The decoders of the process.
pub(super) static DECODERS: DecoderLimit = DecoderLimit(AtomicUsize::new(0));

/// The most packed bodies that are read at a time. A decoder touches half a megabyte at most, so all of them touch 128 MiB.
const MAX_DECODERS: usize = 256;

impl DecoderLimit {
    /// Counts one more decoder. Returns `None` at the limit: the body is then as one that says nothing.
    pub(super) fn begin(&self) -> Option<DecoderPermit<'_>> {
        let one_more = |count: usize| (count < MAX_DECODERS).then_some(count + 1);
        self.0.fetch_update(Relaxed, Relaxed, one_more).ok().map(|_| DecoderPermit(self))
    }
}

impl Drop for DecoderPermit<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_than_the_most_is_not_read_until_another_ends() {
        let limit = DecoderLimit::default();
        let mut permits: Vec<_> = (0..MAX_DECODERS).map(|_| limit.begin().unwrap()).collect();
        assert!(limit.begin().is_none());
        permits.pop();
        assert!(limit.begin().is_some() && limit.begin().is_some());
    }
}
