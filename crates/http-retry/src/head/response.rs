//! The head of a response, as policies see it.

use std::fmt;

use http::{Extensions, HeaderMap, HeaderName, Response, StatusCode, response};

use crate::rules;

/// The head of a response, read-only.
///
/// ```
/// use http::Response;
/// use http_retry::ResponseHead;
///
/// let response = Response::builder().status(500).header("x-should-retry", "false").body(()).unwrap();
/// let head = ResponseHead::from(&response);
/// assert_eq!((head.status().as_u16(), head.should_retry()), (500, Some(false)));
/// ```
#[derive(Clone, Copy)]
pub struct ResponseHead<'a> {
    status: StatusCode,
    headers: &'a HeaderMap,
    extensions: &'a Extensions,
}

impl<'a> ResponseHead<'a> {
    /// Returns the status code.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the headers.
    pub fn headers(&self) -> &'a HeaderMap {
        self.headers
    }

    /// Returns the server's explicit answer whether the client should retry, if it gives one. It stands in
    /// `x-should-retry` or `stripe-should-retry` and is exactly `true` or `false` (OpenAI, Anthropic and Stripe SDKs). One
    /// `false` outranks every `true`.
    pub fn should_retry(&self) -> Option<bool> {
        let lines = SHOULD_RETRY.iter().flat_map(|name| self.headers.get_all(name));
        let answers = lines.filter_map(|value| match value.as_bytes() {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        });
        answers.min()
    }

    /// Returns whether the response is the refusal of a limit: a 429, a 403 or 509 that announces a used-up quota
    /// or names a time, or a 400, 413, 423, 449 or 529 that names a time. The time is a `Retry-After`, another header of
    /// the kind, the reset of a used-up quota, or a [`BodyHint`](crate::BodyHint). A 403 without either is a
    /// denial. [`rules::limit`] returns the rule.
    pub fn is_rate_limit(&self) -> bool {
        rules::limit(self).is_some()
    }

    /// Returns the extension of type `T` that an inner layer attached to the response.
    pub fn extension<T: Send + Sync + 'static>(&self) -> Option<&'a T> {
        self.extensions.get()
    }
}

impl<'a, B> From<&'a Response<B>> for ResponseHead<'a> {
    fn from(response: &'a Response<B>) -> Self {
        Self { status: response.status(), headers: response.headers(), extensions: response.extensions() }
    }
}

impl<'a> From<&'a response::Parts> for ResponseHead<'a> {
    fn from(parts: &'a response::Parts) -> Self {
        Self { status: parts.status, headers: &parts.headers, extensions: &parts.extensions }
    }
}

impl fmt::Debug for ResponseHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseHead").field("status", &self.status).finish_non_exhaustive()
    }
}

static SHOULD_RETRY: [HeaderName; 2] =
    [HeaderName::from_static("x-should-retry"), HeaderName::from_static("stripe-should-retry")];
