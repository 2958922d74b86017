//! Callers, a server, and the network between them.

mod run;

use std::ops::RangeInclusive;
use std::time::Duration;

use http_retry::{Pace, Session};

use self::run::Run;
use crate::bucket::Bucket;
use crate::report::Report;

/// Callers who all want a request served at the same moment, each through a session of its own with the default
/// policy.
#[derive(Debug)]
pub struct World {
    bucket: Bucket,
    requests: u32,
    attempts: u32,
    latency_ms: RangeInclusive<u64>,
    pace: Option<Pace>,
}

impl World {
    /// So many requests at once to the server with this bucket.
    pub fn new(bucket: Bucket, requests: u32) -> Self {
        Self { bucket, requests, attempts: Session::MAX_ATTEMPTS, latency_ms: 1..=200, pace: None }
    }

    /// Sets how often a request may be sent.
    pub fn attempts(self, attempts: u32) -> Self {
        Self { attempts, ..self }
    }

    /// Sets how long a call takes there and back, in milliseconds; each draws its own.
    pub fn latency_ms(self, latency_ms: RangeInclusive<u64>) -> Self {
        Self { latency_ms, ..self }
    }

    /// Lets the callers wait for each other.
    pub fn pace(self, pace: Pace) -> Self {
        Self { pace: Some(pace), ..self }
    }

    /// Lets time pass until nothing happens any more.
    pub fn run(self, seed: u64) -> Report {
        // No deadline: what is asked is how long it takes.
        let session = || Session::new().max_attempts(self.attempts).max_elapsed(None).started(Duration::ZERO);
        let sessions = (0..self.requests).map(|_| match &self.pace {
            Some(_) => session().paced(),
            None => session(),
        });
        let sessions = sessions.collect();
        Run::new(self.bucket, self.latency_ms, self.pace, sessions, seed).play()
    }
}
