//! Random numbers for delays, which floor 0 takes as an argument.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng, TryRng};

use crate::lock::lock;

/// The source of a layer's random numbers.
#[derive(Clone, Debug, Default)]
pub(crate) enum Randomness {
    /// The thread's own generator. It is never cloned, so no two sessions draw the same sequence.
    #[default]
    Thread,
    /// One seeded sequence, which all sessions of a layer share.
    Seeded(Arc<Mutex<SmallRng>>),
}

impl Randomness {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self::Seeded(Arc::new(Mutex::new(SmallRng::seed_from_u64(seed))))
    }
}

/// A generator that takes the thread's generator, or the lock of the seeded one, only when a number is drawn.
pub(crate) struct LazyRng<'a>(pub(crate) &'a Randomness);

impl LazyRng<'_> {
    fn draw<T>(&self, draw: impl FnOnce(&mut dyn Rng) -> T) -> T {
        match self.0 {
            Randomness::Thread => draw(&mut rand::rng()),
            Randomness::Seeded(rng) => draw(&mut *lock(rng)),
        }
    }
}

impl TryRng for LazyRng<'_> {
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
