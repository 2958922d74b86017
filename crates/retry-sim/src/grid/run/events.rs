//! The events of a run, in the order of time.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

/// An event of one caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The caller's own timer rings, unless it has set another one since.
    Timer,
    /// Its call reaches the server.
    Reach,
    /// The answer is there.
    Answer,
    /// The caller is dropped.
    Drop,
}

/// The events that are to come.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    entries: BinaryHeap<Entry>,
    scheduled: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    at: Duration,
    /// The order of events at the same time.
    number: u64,
    caller: u32,
    event: Event,
}

impl Agenda {
    /// Schedules an event.
    pub(super) fn schedule(&mut self, at: Duration, caller: usize, event: Event) {
        self.scheduled += 1;
        // A run has fewer events than callers fit, so the index fits too.
        let caller = u32::try_from(caller).unwrap_or(u32::MAX);
        self.entries.push(Entry { at, number: self.scheduled, caller, event });
    }

    /// Returns the time of the next event.
    pub(super) fn next_time(&self) -> Option<Duration> {
        self.entries.peek().map(|entry| entry.at)
    }

    /// Takes the next event, and returns it with its caller.
    pub(super) fn pop(&mut self) -> Option<(usize, Event)> {
        self.entries.pop().map(|entry| (entry.caller as usize, entry.event))
    }
}

impl Ord for Entry {
    /// The earliest entry is the greatest, because the heap returns the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
