//! A server that serves as many requests as its bucket has tokens.

use std::fmt;
use std::time::Duration;

use http::{Response, StatusCode, header};
use serde::Serialize;

/// A token bucket, and what the best client there could be would need for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// Tokens that it earns in a second.
    pub rate: u32,
    /// Tokens that it holds.
    pub burst: u32,
}

impl Bucket {
    /// What whoever is refused is asked to wait.
    pub const RETRY_AFTER: Duration = Duration::from_secs(1);

    /// The calls of an oracle that knows the limit, but not before the first refusal: of `requests` that come at
    /// once all but the burst are refused, and each of those is sent once more.
    ///
    /// Where they take different times to arrive, the bucket serves a few more of the first, and it can be done
    /// with fewer.
    pub fn oracle_calls(self, requests: u32) -> u32 {
        requests + requests.saturating_sub(self.burst)
    }

    /// The time that it needs: a call there and back, which takes `latency` at most; the wait that it is asked
    /// for; what the bucket has earned in that, at once; and then as fast as tokens come.
    pub fn oracle_time(self, requests: u32, latency: Duration) -> Duration {
        let refused = requests.saturating_sub(self.burst);
        if refused == 0 {
            return latency;
        }
        let earned = f64::from(self.rate) * Self::RETRY_AFTER.as_secs_f64();
        let later = (f64::from(refused) - earned.min(f64::from(self.burst))).max(0.0);
        latency + Self::RETRY_AFTER + Duration::from_secs_f64(later / f64::from(self.rate))
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s, burst {}", self.rate, self.burst)
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

    /// Whether it serves a call. Time must not run backwards.
    pub(crate) fn serves(&mut self, now: Duration) -> bool {
        let earned = now.saturating_sub(self.at).as_secs_f64() * f64::from(self.bucket.rate);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bucket: Bucket, requests: u32, calls: u32, millis: u64) {
        assert_eq!(bucket.oracle_calls(requests), calls, "calls");
        let time = bucket.oracle_time(requests, Duration::from_millis(200));
        assert_eq!(time, Duration::from_millis(millis), "time");
    }

    #[test]
    fn the_oracle_waits_once_and_sends_nothing_a_third_time() {
        check(Bucket { rate: 50, burst: 10 }, 100, 190, 2_800);
        check(Bucket { rate: 10, burst: 10 }, 100, 190, 9_200);
        // A burst comes back no faster than tokens are earned.
        check(Bucket { rate: 5, burst: 10 }, 100, 190, 18_200);
        // All of the second round fit into the bucket.
        check(Bucket { rate: 100, burst: 60 }, 100, 140, 1_200);
        check(Bucket { rate: 100, burst: 100 }, 100, 100, 200);
    }

    #[test]
    fn the_server_serves_its_burst_and_then_as_fast_as_it_earns() {
        let mut server = Server::new(Bucket { rate: 10, burst: 3 });
        let served = |server: &mut Server, millis: u64, calls: u32| {
            (0..calls).filter(|_| server.serves(Duration::from_millis(millis))).count()
        };
        assert_eq!(served(&mut server, 0, 10), 3);
        assert_eq!(served(&mut server, 99, 10), 0);
        assert_eq!(served(&mut server, 250, 10), 2);
        assert_eq!(served(&mut server, 60_000, 10), 3);
    }
}
