//! What a server answers, attempt by attempt.

use http::{HeaderName, HeaderValue, Response, StatusCode};

use crate::FailureKind;

/// What a server answers, attempt by attempt. It reads as a sentence, and its last word holds for ever:
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
/// One that says nothing answers 200.
#[derive(Clone, Debug, Default)]
pub struct Script {
    answers: Vec<Scripted>,
}

/// What one attempt comes back with, as a [`Script`] has it.
#[derive(Clone, Debug)]
pub enum Scripted {
    /// This head, and no content.
    Response(Response<()>),
    /// No response.
    Failure(FailureKind),
    /// Nothing, ever.
    Pending,
}

impl Script {
    /// Says nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Then a response of this status.
    ///
    /// # Panics
    ///
    /// Where that is no status.
    #[track_caller]
    pub fn status(self, status: u16) -> Self {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(status).expect("a status is from 100 to 999");
        self.then(Scripted::Response(response))
    }

    /// The last response has this header too.
    ///
    /// # Panics
    ///
    /// Where the last word was no response, or this is no header.
    #[track_caller]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let Some(Scripted::Response(response)) = self.answers.last_mut() else {
            panic!("a header belongs to a response: say `.status(..)` before");
        };
        let name = HeaderName::try_from(name).expect("the name of a header");
        response.headers_mut().append(name, HeaderValue::try_from(value).expect("the value of a header"));
        self
    }

    /// Then a failure.
    pub fn failure(self, kind: FailureKind) -> Self {
        self.then(Scripted::Failure(kind))
    }

    /// Then nothing, ever.
    pub fn pending(self) -> Self {
        self.then(Scripted::Pending)
    }

    /// Then this.
    pub fn then(mut self, answer: Scripted) -> Self {
        self.answers.push(answer);
        self
    }

    /// The last word so often in all; 0 means 1.
    pub fn times(mut self, times: usize) -> Self {
        if let Some(last) = self.answers.last().cloned() {
            self.answers.extend(std::iter::repeat_n(last, times.saturating_sub(1)));
        }
        self
    }

    /// What the `n`th attempt comes back with, counted from 1.
    pub fn nth(&self, number: usize) -> Scripted {
        let answer = self.answers.get(number.max(1) - 1).or(self.answers.last());
        answer.cloned().unwrap_or_else(|| Scripted::Response(Response::new(())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an answer is, in a word.
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
    fn a_script_is_said_in_order_and_its_last_word_holds() {
        check(&Script::new(), &["200", "200"]);
        check(&Script::new().times(3), &["200"]);
        let script = Script::new().status(503).header("x-a", "b").times(2).failure(FailureKind::Timeout);
        check(&script, &["503b", "503b", "Timeout", "Timeout"]);
        check(&script.status(429).pending(), &["503b", "503b", "Timeout", "429", "pending", "pending"]);
        check(&Script::new().status(503).times(0).status(200), &["503", "200"]);
    }
}
