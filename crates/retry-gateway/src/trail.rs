//! What happened to a request on its way: written by the attempts, read when it is answered.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use serde::Serialize;

/// The attempts of a request, shared by all who handle it. It is in the extensions of each attempt's request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trail(Arc<Mutex<Vec<Step>>>);

/// One attempt.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Step {
    /// The endpoint's place in its upstream.
    #[serde(skip)]
    pub(crate) index: usize,
    pub(crate) endpoint: String,
    /// What came back, if anything did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// How long after the request came it was sent, and how long it took, in milliseconds.
    pub(crate) at_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) took_ms: Option<u64>,
}

impl Trail {
    /// Begins an attempt, and returns its number from 0.
    pub(crate) fn begin(&self, index: usize, endpoint: &str, at: Duration) -> usize {
        self.with(|steps| {
            let endpoint = endpoint.to_owned();
            steps.push(Step { index, endpoint, status: None, error: None, at_ms: millis(at), took_ms: None });
            steps.len() - 1
        })
    }

    /// Ends it.
    pub(crate) fn end(&self, number: usize, result: Result<StatusCode, String>, at: Duration) {
        self.with(|steps| {
            if let Some(step) = steps.get_mut(number) {
                step.took_ms = Some(millis(at).saturating_sub(step.at_ms));
                match result {
                    Ok(status) => step.status = Some(status.as_u16()),
                    Err(error) => step.error = Some(error),
                }
            }
        });
    }

    /// Whether an endpoint was tried.
    pub(crate) fn has_tried(&self, index: usize) -> bool {
        self.with(|steps| steps.iter().any(|step| step.index == index))
    }

    /// How many attempts were made.
    pub(crate) fn attempts(&self) -> u32 {
        self.with(|steps| u32::try_from(steps.len()).unwrap_or(u32::MAX))
    }

    pub(crate) fn steps(&self) -> Vec<Step> {
        self.with(|steps| steps.clone())
    }

    fn with<T>(&self, change: impl FnOnce(&mut Vec<Step>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whole milliseconds, saturating.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
