//! The requests of a key that wait or are in flight, and what they alone need.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::in_flight::InFlight;
use super::key_entry::KeyEntry;
use super::key_state::SentCall;
use super::lazy_box::{AtRest, LazyBox};
use super::nanos::Nanos;
use super::quota::Quotas;
use super::suspects::{RefusedAgain, Suspects};
use super::wait_queue::WaitQueue;

/// The part of a key's state that has memory only while requests wait or are in flight, or while a quota is known.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) queue: LazyBox<WaitQueue>,
    pub(super) in_flight: InFlight,
    pub(super) quotas: Quotas,
    /// The first reserved send that the quotas count. Those before it left when the key was not yet free.
    pub(super) reserved_from: u64,
    /// The requests that are refused for a reason of their own.
    pub(super) at_fault: VecDeque<u64>,
    pub(super) suspects: Suspects,
    pub(super) refused_again: RefusedAgain,
    /// The time from which the next slot is offered, until it is taken.
    pub(super) offered: Option<Nanos>,
    /// The time at which requests were woken last for a slot that came a little earlier.
    pub(super) woken_at: Nanos,
    /// The group of the key, while late requests of it may be in flight.
    pub(super) late: Option<Arc<KeyEntry>>,
}

impl Traffic {
    /// Counts a send as no longer in flight, if the quotas count it.
    pub(super) fn finish(&mut self, call: &SentCall) {
        if call.is_reserved && call.ordinal >= self.reserved_from {
            self.quotas.finish(call.cost);
        }
    }
}

impl LazyBox<Traffic> {
    /// Frees the memory that is not needed while no request waits and no call is in flight.
    pub(super) fn release_parts(&mut self) {
        if let Some(traffic) = self.present_mut() {
            traffic.queue.release();
            traffic.quotas.none_in_flight();
            traffic.in_flight.release();
            traffic.offered = None;
            traffic.late.take_if(|group| group.in_flight() == 0);
        }
        self.release();
    }

    /// Does the same after the key was not used for a while.
    pub(super) fn release_rested(&mut self, now: Duration) {
        if let Some(traffic) = self.present_mut() {
            traffic.quotas.forget(now);
            traffic.suspects.clear();
            traffic.refused_again = RefusedAgain::NONE;
        }
        self.release_parts();
    }
}

impl AtRest for Traffic {
    const REST: &'static Self = &Self {
        queue: LazyBox::new(),
        in_flight: InFlight::new(),
        quotas: Quotas::new(),
        reserved_from: 0,
        at_fault: VecDeque::new(),
        suspects: Suspects::NONE,
        refused_again: RefusedAgain::NONE,
        offered: None,
        woken_at: Nanos::ZERO,
        late: None,
    };

    fn is_at_rest(&self) -> bool {
        self.queue.is_empty()
            && self.in_flight.is_empty()
            && self.quotas.is_at_rest()
            && self.at_fault.is_empty()
            && self.suspects.is_empty()
            && self.refused_again.is_at_rest()
            && self.offered.is_none()
            && self.late.is_none()
    }
}
