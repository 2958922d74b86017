//! The request and the outcome that are explained.

use http::{HeaderMap, Method, Response, StatusCode};
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
    /// The head of a response. [`read_body`](super::read_body) adds what its body says.
    Response(Box<Response<()>>),
    /// A failure without a response.
    Failure(FailureKind),
}

impl CaseOutcome {
    /// Creates the outcome of an attempt that got a response with this status and these headers.
    pub fn response(status: StatusCode, headers: HeaderMap) -> Self {
        let mut response = Response::new(());
        (*response.status_mut(), *response.headers_mut()) = (status, headers);
        Self::Response(Box::new(response))
    }
}
