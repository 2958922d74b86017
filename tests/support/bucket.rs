//! A server's limit: a bucket of tokens, one for each request.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::{Answer, status, with_header};

/// Holds so many tokens, and earns so many a second. Clones are handles of the same one.
#[derive(Clone)]
pub(crate) struct Bucket {
    per_second: f64,
    burst: f64,
    retry_after: Duration,
    state: Arc<Mutex<State>>,
}

struct State {
    tokens: f64,
    at: Option<Instant>,
    answers: Vec<u16>,
}

impl Bucket {
    /// Which is full, and when it is empty refuses with 429 and asks for a second.
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        let burst = f64::from(burst);
        let state = State { tokens: burst, at: None, answers: Vec::new() };
        let retry_after = Duration::from_secs(1);
        Self { per_second: per_second.into(), burst, retry_after, state: Arc::new(Mutex::new(state)) }
    }

    /// Which asks for another wait.
    pub(crate) fn asking_for(self, retry_after: Duration) -> Self {
        Self { retry_after, ..self }
    }

    /// What it says to a request that comes now.
    pub(crate) fn answer(&self) -> Answer {
        match self.take() {
            (true, _) => status(200),
            (false, _) => with_header(429, "retry-after-ms", &self.retry_after.as_millis().to_string()),
        }
    }

    /// The same, with what OpenAI says of its quota of requests in each answer.
    pub(crate) fn announcing_answer(&self) -> Answer {
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

    /// The statuses of its answers.
    pub(crate) fn answers(&self) -> Vec<u16> {
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
