//! The random numbers of a run, which do not depend on the order of its events.

use std::f64::consts::TAU;

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

/// The source of all random numbers of a run.
///
/// Each number belongs to a purpose, a request and an attempt, and is computed from them and the seed alone. So a
/// strategy that sends fewer calls meets the same network, the same service times and the same luck as the one that it
/// is compared with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draws {
    seed: u64,
}

/// The purpose of a random number.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// The gaps between the arrivals of a tenant.
    Arrivals,
    /// The cost of a request.
    Cost,
    /// The choice of callers that are never polled again.
    Unpolled,
    /// The choice of callers that are dropped.
    Dropped,
    /// The time at which it is dropped.
    DroppedAfter,
    /// The jitter of a call on its path to the server.
    CallTransit,
    /// The jitter of its answer.
    AnswerTransit,
    /// The choice of calls that are refused at random.
    Noise,
    /// The service time of a request.
    Service,
    /// The second number for a normal distribution of the service time.
    ServiceAngle,
    /// The jitter of the policy's delays.
    Policy,
    /// The choice of requests that are always refused.
    Poison,
}

impl Draws {
    /// Creates the source of a run.
    pub(super) fn new(seed: u64) -> Self {
        Self { seed: mix(seed ^ 0x6772_6964) }
    }

    /// Returns the number from 0 (included) to 1 (excluded).
    pub(super) fn unit(self, purpose: Purpose, request: u64, attempt: u32) -> f64 {
        // The 53 bits of a float's significand.
        (self.bits(purpose, request, attempt) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Returns a sample of the standard normal distribution for the service time of a request (Box and Muller).
    pub(super) fn normal(self, request: u64) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit(Purpose::Service, request, 0)).ln()).sqrt();
        radius * (TAU * self.unit(Purpose::ServiceAngle, request, 0)).cos()
    }

    /// Creates a generator of its own.
    pub(super) fn rng(self, purpose: Purpose, request: u64, attempt: u32) -> Xoshiro256PlusPlus {
        Xoshiro256PlusPlus::seed_from_u64(self.bits(purpose, request, attempt))
    }

    fn bits(self, purpose: Purpose, request: u64, attempt: u32) -> u64 {
        let place = ((purpose as u64) << 32) | u64::from(attempt);
        mix(self.seed ^ mix(request.wrapping_add(mix(place))))
    }
}

/// Mixes the bits of a number (the finalizer of SplitMix64).
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_uniform_and_independent_of_their_neighbours() {
        let draws = Draws::new(7);
        let pairs: Vec<_> = (0..10_000)
            .map(|request| {
                let number = |attempt| draws.unit(Purpose::Noise, request, attempt) - 0.5;
                (number(1), number(2))
            })
            .collect();
        let mean = pairs.iter().map(|(first, _)| first).sum::<f64>() / 1e4;
        let product = pairs.iter().map(|(first, second)| first * second).sum::<f64>() / 1e4;
        assert!(mean.abs() < 0.01 && product.abs() < 0.005, "{mean} {product}");
    }

    #[test]
    fn normal_samples_have_mean_0_and_variance_1() {
        let samples: Vec<_> = (0..20_000).map(|request| Draws::new(1).normal(request)).collect();
        let mean = samples.iter().sum::<f64>() / 2e4;
        let square = samples.iter().map(|sample| sample * sample).sum::<f64>() / 2e4;
        assert!(mean.abs() < 0.03 && (square - 1.0).abs() < 0.04, "{mean} {square}");
    }
}
