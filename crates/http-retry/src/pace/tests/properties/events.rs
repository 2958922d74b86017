//! The events that a model draws.

use proptest::prelude::*;

use super::{KEYS, TENANTS};

/// How far the clock goes back, in milliseconds.
pub(super) const BACK: u64 = 3_000;

/// One event. An index names one of those who wait, or who are in flight.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    Come { key: usize, tenant: usize, deadline: Option<u64> },
    Burst { key: usize, count: usize },
    Poll(usize),
    Settle(usize, Answer),
    SettleAll(Answer),
    Lose(usize),
    GiveBack(usize),
    Leave(usize),
    Step(u64),
    Jump(u64),
    Back(u64),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) hint: Hint,
    pub(super) comes_again: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Hint {
    None,
    Millis(u64),
    Seconds(u64),
    Century,
}

fn answer() -> impl Strategy<Value = Answer> {
    let status = prop_oneof![3 => Just(200), 4 => Just(429), 1 => Just(503), 1 => Just(529)];
    let hint = prop_oneof![
        3 => Just(Hint::None),
        2 => (1..3_000_u64).prop_map(Hint::Millis),
        3 => (0..30_u64).prop_map(Hint::Seconds),
        1 => Just(Hint::Century),
    ];
    (status, hint, any::<bool>()).prop_map(|(status, hint, comes_again)| Answer { status, hint, comes_again })
}

pub(super) fn events() -> impl Strategy<Value = Vec<Event>> {
    let come = (0..KEYS.len(), 0..TENANTS.len(), prop::option::weighted(0.2, 0..10_000_u64))
        .prop_map(|(key, tenant, deadline)| Event::Come { key, tenant, deadline });
    let event = prop_oneof![
        6 => come,
        3 => (0..KEYS.len(), 1..30_usize).prop_map(|(key, count)| Event::Burst { key, count }),
        6 => (0..64_usize).prop_map(Event::Poll),
        6 => (0..64_usize, answer()).prop_map(|(index, answer)| Event::Settle(index, answer)),
        2 => answer().prop_map(Event::SettleAll),
        1 => (0..64_usize).prop_map(Event::Lose),
        1 => (0..64_usize).prop_map(Event::GiveBack),
        1 => (0..64_usize).prop_map(Event::Leave),
        6 => (0..400_u64).prop_map(Event::Step),
        1 => (0..10_000_000_000_u64).prop_map(Event::Jump),
        1 => (0..BACK).prop_map(Event::Back),
    ];
    prop::collection::vec(event, 0..120)
}
