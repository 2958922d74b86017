//! The servers: whom they serve, and whom they ask to come back.

use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde::Serialize;

use crate::token_bucket::TokenBucket;

/// How a server limits its callers. Whom it does not serve it answers 429 and `Retry-After: 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LimitedServer {
    /// Answers 429 to the first three calls.
    ThreeRefusals,
    /// Answers 429 to every call within a second of the first.
    ShutForASecond,
    /// Serves a call for each token of a token bucket.
    Bucket,
    /// Serves a call for each token, and announces the tokens left in each response, like OpenAI.
    Announced,
}

impl LimitedServer {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::ThreeRefusals, Self::ShutForASecond, Self::Bucket, Self::Announced];

    /// As the table names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ThreeRefusals => "three refusals",
            Self::ShutForASecond => "shut for a second",
            Self::Bucket => "bucket",
            Self::Announced => "announced bucket",
        }
    }
}

/// How long a refused caller is asked to wait.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How full a bucket is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Announcement {
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
    pub(crate) until_full: Duration,
}

/// A shop that is open, and how full its bucket is.
pub(crate) struct Counter {
    shop: LimitedServer,
    opened: Instant,
    calls: u64,
    bucket: TokenBucket,
}

impl Counter {
    /// Opens at the first call.
    pub(crate) fn open(shop: LimitedServer, rate: u32, burst: u32, now: Instant) -> Self {
        Self { shop, opened: now, calls: 0, bucket: TokenBucket::full(rate, burst, now) }
    }

    /// Whether this call is served.
    pub(crate) fn serves(&mut self, now: Instant) -> bool {
        self.calls += 1;
        match self.shop {
            LimitedServer::ThreeRefusals => self.calls > 3,
            LimitedServer::ShutForASecond => now >= self.opened + Duration::from_secs(1),
            LimitedServer::Bucket | LimitedServer::Announced => self.bucket.take(now),
        }
    }

    /// How full the bucket is, if the shop tells.
    pub(crate) fn announces(&self) -> Option<Announcement> {
        let announcement = Announcement {
            limit: self.bucket.limit(),
            remaining: self.bucket.remaining(),
            until_full: self.bucket.until_full(),
        };
        (self.shop == LimitedServer::Announced).then_some(announcement)
    }
}
