//! The numbers of an experiment.

use clap::Args;

use crate::shop::Shop;

/// What comes at a server, and how much of it a bucket serves.
#[derive(Args, Clone, Copy, Debug)]
pub struct Load {
    /// Send this many requests to each server with each strategy (twice as many to the one that announces its limit).
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub requests: u32,
    /// Keep this many requests in flight at a time (for the bucket, all of them).
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub workers: u32,
    /// Let the bucket serve this many requests a second.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: u32,
    /// Let the bucket serve this many requests at once.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub burst: u32,
}

impl Load {
    /// How many requests one way of calling makes of a server.
    pub fn requests_of(&self, shop: Shop) -> u32 {
        match shop {
            Shop::Announced => self.requests.saturating_mul(2),
            Shop::ThreeRefusals | Shop::ShutForASecond | Shop::Bucket => self.requests,
        }
    }

    /// How many of them are under way at a time.
    pub(crate) fn workers_of(&self, shop: Shop) -> u32 {
        match shop {
            Shop::Bucket => self.requests_of(shop),
            Shop::ThreeRefusals | Shop::ShutForASecond | Shop::Announced => self.workers,
        }
    }
}

/// The load, and what is to be said about our own ways of calling.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The load.
    pub load: Load,
    /// How often ours sends a request at most without a pace; with one the layer's default will do.
    pub attempts: u32,
    /// Where our delays start from.
    pub seed: u64,
}
