//! The settings that all keys of a pace share.

use std::time::Duration;

use super::Pace;

#[derive(Clone, Copy, Debug)]
pub(super) struct PaceSettings {
    pub(super) longest: Duration,
    pub(super) slow_start: bool,
    pub(super) keys: usize,
    pub(super) waiters: usize,
    pub(super) has_tenants: bool,
    /// Set if the second part of a key may be known only after the send.
    pub(super) has_parts: bool,
}

impl Default for PaceSettings {
    fn default() -> Self {
        Self {
            longest: Pace::LONGEST,
            slow_start: false,
            keys: 10_000,
            waiters: 10_000,
            has_tenants: false,
            has_parts: false,
        }
    }
}
