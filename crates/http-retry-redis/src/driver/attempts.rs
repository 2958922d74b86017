//! The times at which a store that does not answer is tried again.

use std::time::Duration;

use http_retry::fleet::UnreachableReason;
use rand::{Rng, RngExt};

/// Returns the time until the next attempt, after this many attempts that failed.
pub(super) fn wait(attempts: u32, reason: UnreachableReason, rng: &mut impl Rng) -> Duration {
    let millis = match attempts {
        // Waiting alone does not heal it.
        _ if reason.is_lasting() => 27_000..=33_000,
        0 => 50..=100,
        1 => 200..=400,
        _ => 1_000..=2_000,
    };
    // The members of a fleet lose the store at the same time, and come back at different ones.
    Duration::from_millis(rng.random_range(millis))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    #[track_caller]
    fn check(attempts: u32, reason: UnreachableReason, millis: std::ops::RangeInclusive<u64>) {
        let mut rng = SmallRng::seed_from_u64(1);
        let mut waits: Vec<_> =
            (0..200).map(|_| wait(attempts, reason, &mut rng).as_millis() as u64).collect();
        assert!(waits.iter().all(|wait| millis.contains(wait)), "{waits:?}");
        waits.sort_unstable();
        waits.dedup();
        assert!(waits.len() > 30, "members come back at different times: {waits:?}");
    }

    #[test]
    fn store_is_tried_soon_and_then_each_second_or_two() {
        check(0, UnreachableReason::Closed, 50..=100);
        check(1, UnreachableReason::Timeout, 200..=400);
        check(2, UnreachableReason::ReadOnly, 1_000..=2_000);
        check(900, UnreachableReason::Closed, 1_000..=2_000);
    }

    #[test]
    fn what_waiting_does_not_heal_is_tried_each_half_a_minute() {
        check(0, UnreachableReason::Denied, 27_000..=33_000);
        check(5, UnreachableReason::OutOfMemory, 27_000..=33_000);
    }
}
