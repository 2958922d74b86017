//! A server's limit: a token bucket that pays for requests.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::{Answer, status, with_header};

/// A token bucket that earns tokens all the time; each request takes one. Clones share their tokens.
#[derive(Clone, Debug)]
pub struct Bucket {
    per_second: f64,
    burst: f64,
    retry_after: Duration,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    tokens: f64,
    at: Option<Instant>,
    answers: Vec<u16>,
}

impl Bucket {
    /// Returns a full bucket, which answers 429 and asks for a second when it is empty.
    pub fn new(per_second: u32, burst: u32) -> Self {
        let burst = f64::from(burst);
        let state = State { tokens: burst, at: None, answers: Vec::new() };
        let retry_after = Duration::from_secs(1);
        Self { per_second: per_second.into(), burst, retry_after, state: Arc::new(Mutex::new(state)) }
    }

    /// Sets the wait that it asks for.
    #[must_use]
    pub fn asking_for(self, retry_after: Duration) -> Self {
        Self { retry_after, ..self }
    }

    /// Returns the answer to a request that comes now.
    pub fn answer(&self) -> Answer {
        match self.take() {
            (true, _) => status(200),
            (false, _) => with_header(429, "retry-after-ms", &self.retry_after.as_millis().to_string()),
        }
    }

    /// Returns the same, with the headers in which OpenAI announces its quota of requests.
    pub fn announcing_answer(&self) -> Answer {
        let (is_served, left) = self.take();
        let full_in = Duration::from_secs_f64((self.burst - left) / self.per_second);
        let mut answer = status(if is_served { 200 } else { 429 });
        let mut say = |name, value: String| answer.headers_mut().insert(name, value.parse().unwrap());
        say("x-ratelimit-limit-requests", self.burst.to_string());
        say("x-ratelimit-remaining-requests", left.floor().to_string());
        say("x-ratelimit-reset-requests", format!("{}ms", full_in.as_millis()));
        if !is_served {
            let next_in = Duration::from_secs_f64((1.0 - left) / self.per_second);
            say("retry-after-ms", next_in.as_millis().to_string());
        }
        answer
    }

    /// Returns the statuses of its answers.
    pub fn answers(&self) -> Vec<u16> {
        self.state.lock().unwrap().answers.clone()
    }

    fn take(&self) -> (bool, f64) {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap();
        let earned = state.at.map_or(0.0, |at| (now - at).as_secs_f64() * self.per_second);
        state.tokens = (state.tokens + earned).min(self.burst);
        state.at = Some(now);
        let is_served = state.tokens >= 1.0;
        if is_served {
            state.tokens -= 1.0;
        }
        state.answers.push(if is_served { 200 } else { 429 });
        (is_served, state.tokens)
    }
}
