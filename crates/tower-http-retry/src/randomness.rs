//! Randomness: what floor 0 takes as an argument.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng, TryRng};

use crate::lock::lock;

/// Where delays are drawn from.
#[derive(Clone, Debug, Default)]
pub(crate) enum Randomness {
    /// The thread's own generator. It is never cloned, so no two sessions share a sequence.
    #[default]
    Thread,
    /// One sequence, shared by all sessions of a layer.
    Seeded(Arc<Mutex<SmallRng>>),
}

impl Randomness {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self::Seeded(Arc::new(Mutex::new(SmallRng::seed_from_u64(seed))))
    }
}

/// Draws that take the generator when they are made, and not before.
pub(crate) struct Draws<'a>(pub(crate) &'a Randomness);

impl Draws<'_> {
    fn draw<T>(&self, draw: impl FnOnce(&mut dyn Rng) -> T) -> T {
        match self.0 {
            Randomness::Thread => draw(&mut rand::rng()),
            Randomness::Seeded(rng) => draw(&mut *lock(rng)),
        }
    }
}

impl TryRng for Draws<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.draw(|rng| rng.next_u32()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.draw(|rng| rng.next_u64()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.draw(|rng| rng.fill_bytes(bytes));
        Ok(())
    }
}
