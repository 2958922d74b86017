//! Random questions and times, near what members ask and at all bounds.

use http_retry::fleet::entry::{BudgetEntry, PaceEntry};
use rand::RngExt;
use rand::rngs::SmallRng;

/// A clock that mostly goes on, and sometimes stands still or steps back.
pub(super) struct Clock(i64);

impl Clock {
    pub(super) fn new() -> Self {
        Self(1_700_000_000_000_000)
    }

    pub(super) fn pass(&mut self, rng: &mut SmallRng) -> i64 {
        self.0 += match rng.random_range(0..20) {
            0..3 => 0,
            3..8 => rng.random_range(0..20_000),
            8..14 => rng.random_range(0..500_000),
            14..17 => rng.random_range(0..10_000_000),
            17 => rng.random_range(0..700_000_000),
            18 => -rng.random_range(0..2_000_000),
            _ => -rng.random_range(0..40_000_000),
        };
        self.0
    }
}

/// Returns any number that an argument may be, mostly small ones.
pub(super) fn pick(rng: &mut SmallRng) -> i64 {
    match rng.random_range(0..14) {
        0..3 => 0,
        3 => 1,
        4..7 => rng.random_range(0..20),
        7..9 => rng.random_range(0..20_000),
        9..11 => rng.random_range(0..2_000_000),
        11 => rng.random_range(0..5_000_000_000),
        12 => rng.random_range(-1_000_000_000_000..1_000_000_000_000),
        _ => rng.random_range(-(1_i64 << 53) + 1..1 << 53),
    }
}

pub(super) fn lease_question(rng: &mut SmallRng, entry: Option<&PaceEntry>) -> Vec<i64> {
    let serial = near(rng, entry.map_or(0, |entry| entry.serial));
    let mut numbers = [
        rng.random_range(0..12),
        rng.random_range(0..3),
        rng.random_range(0..4),
        rng.random_range(0..300_000),
        rng.random_range(0..2),
        rng.random_range(0..60_000),
        rng.random_range(0..1_200_000),
        rng.random_range(0..5),
        200_000,
        serial,
        rng.random_range(0..100_000),
        rng.random_range(0..20_000),
        if rng.random_ratio(1, 5) { rng.random_range(0..500_000) } else { 0 },
        rng.random_range(0..9),
    ];
    spoil(rng, &mut numbers);
    numbers.to_vec()
}

pub(super) fn publish_question(rng: &mut SmallRng, entry: Option<&PaceEntry>) -> Vec<i64> {
    let serial = near(rng, entry.map_or(0, |entry| entry.serial));
    let mut numbers = [
        serial,
        rng.random_range(0..6),
        rng.random_range(0..600_000),
        if rng.random_ratio(1, 3) { 0 } else { rng.random_range(0..100_000) },
        if rng.random_ratio(1, 3) { 0 } else { rng.random_range(0..20_000) },
        rng.random_range(0..2_000),
        if rng.random_ratio(1, 2) { 0 } else { rng.random_range(0..12) },
        rng.random_range(0..2),
    ];
    spoil(rng, &mut numbers);
    numbers.to_vec()
}

pub(super) fn settle_question(rng: &mut SmallRng, entry: Option<&BudgetEntry>) -> Vec<i64> {
    let mut numbers = [
        rng.random_range(0..20_000),
        rng.random_range(0..20_000),
        rng.random_range(0..40_000),
        rng.random_range(0..10_000),
        100_000,
        if rng.random_ratio(1, 5) { 0 } else { 10_000 },
        rng.random_range(-100_000..100_000),
        near(rng, entry.map_or(0, |entry| entry.born)),
        rng.random_range(0..9),
    ];
    spoil(rng, &mut numbers);
    numbers.to_vec()
}

/// Returns a number that is mostly this one.
fn near(rng: &mut SmallRng, number: i64) -> i64 {
    match rng.random_range(0..10) {
        0 => 0,
        1 => number + 1,
        2 => number - 1,
        3 => pick(rng),
        _ => number,
    }
}

/// Replaces some numbers by any others.
fn spoil(rng: &mut SmallRng, numbers: &mut [i64]) {
    for number in numbers {
        if rng.random_ratio(1, 12) {
            *number = pick(rng);
        }
    }
}
