//! A server that serves as many requests as its bucket has tokens.

use std::time::Duration;

use http::{Response, StatusCode, header};

/// A token bucket, and what the best client there could be would need for it.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    /// Tokens that it earns in a second.
    pub rate: u32,
    /// Tokens that it holds.
    pub burst: u32,
}

impl Bucket {
    /// What whoever is refused is asked to wait.
    pub const RETRY_AFTER: Duration = Duration::from_secs(1);

    /// The calls that an oracle needs which knows the limit, but not before the first refusal: of `requests` that
    /// come at once all but the burst are refused, and each of those is sent once more.
    pub fn oracle_calls(self, requests: u32) -> u32 {
        requests + requests.saturating_sub(self.burst)
    }

    /// The time that it needs: the wait that it is asked for, another burst, and then as fast as tokens come. The
    /// fifth of a second is the longest way there and back.
    pub fn oracle_time(self, requests: u32) -> Duration {
        let later = requests.saturating_sub(2 * self.burst);
        Self::RETRY_AFTER + Duration::from_secs(1) * later / self.rate + Duration::from_millis(200)
    }
}

/// The server with that bucket.
#[derive(Debug)]
pub(crate) struct Server {
    bucket: Bucket,
    tokens: f64,
    at: Duration,
}

impl Server {
    pub(crate) fn new(bucket: Bucket) -> Self {
        Self { bucket, tokens: f64::from(bucket.burst), at: Duration::ZERO }
    }

    /// Whether it serves a call.
    pub(crate) fn serves(&mut self, now: Duration) -> bool {
        let earned = (now - self.at).as_secs_f64() * f64::from(self.bucket.rate);
        self.tokens = (self.tokens + earned).min(f64::from(self.bucket.burst));
        self.at = now;
        let serves = self.tokens >= 1.0;
        if serves {
            self.tokens -= 1.0;
        }
        serves
    }

    /// What it says to whom it serves, or not.
    pub(crate) fn answer(served: bool) -> Response<()> {
        let mut response = Response::new(());
        if !served {
            *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            response.headers_mut().insert(header::RETRY_AFTER, Bucket::RETRY_AFTER.as_secs().into());
        }
        response
    }
}
