//! The answers of a scripted server.

use http::{HeaderName, HeaderValue, Response, StatusCode};

use crate::FailureKind;

/// The answers of a server to one attempt after another. The last answer repeats for ever:
///
/// ```
/// use std::time::Duration;
/// use http_retry::testing::{End, Script};
/// use http_retry::{FailureKind, RetryAfterFirst, Session};
///
/// let script = Script::new()
///     .failure(FailureKind::NeverSent)
///     .status(429).header("retry-after", "1").times(2)
///     .status(200);
///
/// let transcript = script.play(&RetryAfterFirst::default(), Session::new().max_attempts(4));
/// assert_eq!(transcript.end, End::Accepted);
/// assert!(transcript.sent_at[3] >= Duration::from_secs(2));
/// ```
///
/// An empty script answers every attempt with 200.
#[derive(Clone, Debug, Default)]
pub struct Script {
    answers: Vec<Scripted>,
}

/// The answer of a [`Script`] to one attempt.
#[derive(Clone, Debug)]
pub enum Scripted {
    /// A response with this head and without a body.
    Response(Response<()>),
    /// A failure without a response.
    Failure(FailureKind),
    /// No answer, ever.
    Pending,
}

impl Script {
    /// Creates an empty script.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a response with this status.
    ///
    /// # Panics
    ///
    /// Panics if the number is not a valid status.
    #[track_caller]
    pub fn status(self, status: u16) -> Self {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(status).expect("a status is a number from 100 to 999");
        self.then(Scripted::Response(response))
    }

    /// Adds a header to the last response.
    ///
    /// # Panics
    ///
    /// Panics if the last answer is not a response, or if the name or the value is not valid in a header.
    #[track_caller]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let Some(Scripted::Response(response)) = self.answers.last_mut() else {
            panic!("a header belongs to a response: call `.status(..)` first");
        };
        let name = HeaderName::try_from(name).expect("a valid header name");
        response.headers_mut().append(name, HeaderValue::try_from(value).expect("a valid header value"));
        self
    }

    /// Adds a failure.
    pub fn failure(self, kind: FailureKind) -> Self {
        self.then(Scripted::Failure(kind))
    }

    /// Adds an attempt that never gets an answer.
    pub fn pending(self) -> Self {
        self.then(Scripted::Pending)
    }

    /// Adds an answer.
    pub fn then(mut self, answer: Scripted) -> Self {
        self.answers.push(answer);
        self
    }

    /// Repeats the last answer, so that the server gives it this many times in total; 0 means 1.
    pub fn times(mut self, times: usize) -> Self {
        if let Some(last) = self.answers.last().cloned() {
            self.answers.extend(std::iter::repeat_n(last, times.saturating_sub(1)));
        }
        self
    }

    /// Returns the answer to the attempt with this number, counted from 1.
    pub fn nth(&self, number: usize) -> Scripted {
        let answer = self.answers.get(number.max(1) - 1).or(self.answers.last());
        answer.cloned().unwrap_or_else(|| Scripted::Response(Response::new(())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a short text for an answer.
    fn word(script: &Script, number: usize) -> String {
        match script.nth(number) {
            Scripted::Response(response) => {
                let header = response.headers().get("x-a").map_or("", |value| value.to_str().unwrap());
                format!("{}{header}", response.status().as_u16())
            }
            Scripted::Failure(kind) => format!("{kind:?}"),
            Scripted::Pending => "pending".to_owned(),
        }
    }

    #[track_caller]
    fn check(script: &Script, expected: &[&str]) {
        let words: Vec<_> = (1..=expected.len()).map(|number| word(script, number)).collect();
        assert_eq!(words, expected);
    }

    #[test]
    fn answers_come_in_order_and_the_last_one_repeats() {
        check(&Script::new(), &["200", "200"]);
        check(&Script::new().times(3), &["200"]);
        let script = Script::new().status(503).header("x-a", "b").times(2).failure(FailureKind::Timeout);
        check(&script, &["503b", "503b", "Timeout", "Timeout"]);
        check(&script.status(429).pending(), &["503b", "503b", "Timeout", "429", "pending", "pending"]);
        check(&Script::new().status(503).times(0).status(200), &["503", "200"]);
    }
}
