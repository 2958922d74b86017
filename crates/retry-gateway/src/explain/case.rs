//! The request and the outcome that are explained.

use http::{HeaderMap, Method, StatusCode};
use tower_http_retry::FailureKind;

/// A request and its outcome, to be explained.
#[derive(Clone, Debug)]
pub struct Case {
    /// The request's method.
    pub method: Method,
    /// The request's headers.
    pub request: HeaderMap,
    /// The outcome of the first attempt.
    pub outcome: CaseOutcome,
}

/// The outcome of an attempt.
#[derive(Clone, Debug)]
pub enum CaseOutcome {
    /// A response with these headers.
    Response(StatusCode, HeaderMap),
    /// A failure without a response.
    Failure(FailureKind),
}
