//! The ways of calling that are compared.

use http_retry::Pace;
use serde::Serialize;

use crate::bucket::Bucket;
use crate::world::World;

/// A way of calling. The policy is the default, `RetryAfterFirst`, in all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Callers wait for each other.
    Pace,
    /// They do so from the first request on.
    SlowStart,
    /// Each waits for itself: as long as the server asks, and up to as long again.
    Unpaced,
}

impl Strategy {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pace, Self::SlowStart, Self::Unpaced];

    /// As the table names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pace => "pace",
            Self::SlowStart => "pace, slow start",
            Self::Unpaced => "no pace",
        }
    }

    /// So many requests at once, sent in this way.
    pub fn world(self, bucket: Bucket, requests: u32) -> World {
        let world = World::new(bucket, requests);
        match self {
            Self::Pace => world.pace(Pace::per_authority()),
            Self::SlowStart => world.pace(Pace::per_authority().slow_start()),
            Self::Unpaced => world,
        }
    }
}
