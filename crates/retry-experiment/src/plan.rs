//! The numbers of an experiment.

use clap::Args;

use crate::limited_server::LimitedServer;

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
    /// How many requests one strategy of calling makes of a server.
    pub fn requests_of(&self, shop: LimitedServer) -> u32 {
        match shop {
            LimitedServer::Announced => self.requests.saturating_mul(2),
            LimitedServer::ThreeRefusals | LimitedServer::ShutForASecond | LimitedServer::Bucket => {
                self.requests
            }
        }
    }

    /// How many of them are under strategy at a time.
    pub(crate) fn workers_of(&self, shop: LimitedServer) -> u32 {
        match shop {
            LimitedServer::Bucket => self.requests_of(shop),
            LimitedServer::ThreeRefusals | LimitedServer::ShutForASecond | LimitedServer::Announced => {
                self.workers
            }
        }
    }
}

/// The load, and what is to be said about our own strategies of calling.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The load.
    pub load: Load,
    /// How often ours sends a request at most without a pace; with one the layer's default will do.
    pub attempts: u32,
    /// Where our delays start from.
    pub seed: u64,
}
