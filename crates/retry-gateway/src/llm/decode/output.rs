//! The output of a decoder.

/// The body is malformed, or larger than what the gateway reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// The most bytes that a decoder of brotli or Zstandard unpacks before the gateway looks at them.
pub(super) const UNPACKED_BYTES: usize = 4 * 1024;
