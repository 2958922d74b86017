//! The extensions of a resend's request and of a session's response.

use std::time::Duration;

use http::Request;
use http_retry::{GiveUpReason, RetryCause, Session};

/// The number of an attempt, in the extensions of each resend's request.
///
/// The first attempt has no such extension, so that a request which is never sent again costs nothing;
/// [`from_request`](Self::from_request) returns 1 for it. The [crate's first example](crate) reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptNumber(u32);

impl AttemptNumber {
    pub(crate) fn new(number: u32) -> Self {
        Self(number)
    }

    /// Returns the number of the attempt that sends this request. It is 1 for the first attempt.
    pub fn from_request<B>(request: &Request<B>) -> u32 {
        request.extensions().get::<Self>().map_or(1, |number| number.0)
    }
}

/// The history of a request, in the extensions of its response if the session resent or gave up.
///
/// ```
/// # use http::Response;
/// use tower_http_retry::RetryInfo;
///
/// # let response = Response::new(());
/// match response.extensions().get::<RetryInfo>() {
///     None => println!("the first response"),
///     Some(info) => println!("{} attempts, {:?} waited", info.attempts(), info.waited()),
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryInfo {
    pub(crate) attempts: u32,
    pub(crate) probes: u32,
    pub(crate) waited: Duration,
    pub(crate) cause: Option<RetryCause>,
    pub(crate) reason: Option<GiveUpReason>,
}

impl RetryInfo {
    /// Creates the info of a session that has ended, with the reason if it gave up. It returns `None` if the
    /// first outcome was accepted.
    #[inline]
    pub(crate) fn from_session(session: &Session, reason: Option<GiveUpReason>) -> Option<Self> {
        if session.number() == 1 && reason.is_none() {
            return None;
        }
        let (attempts, probes) = (session.number(), session.uncounted());
        Some(Self { attempts, probes, waited: session.waited(), cause: session.cause(), reason })
    }

    /// Returns the info of a session that may go on, and that has waited for this time since the last attempt.
    pub(crate) fn unfinished(session: &Session, waiting: Duration) -> Option<Self> {
        let cause = session.cause()?;
        let (attempts, probes) = (session.number(), session.uncounted());
        let waited = session.waited().saturating_add(waiting);
        Some(Self { attempts, probes, waited, cause: Some(cause), reason: None })
    }

    /// Returns the number of attempts, with all probes.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Returns the number of attempts that were refused as probes or trials of a [pace](crate::RetryLayer::pace). Each was sent
    /// on behalf of all requests that waited: to see if a stop is over, or if the server serves more than is known. At most 8
    /// did not count against [`max_attempts`](crate::RetryLayer::max_attempts).
    pub fn probes(&self) -> u32 {
        self.probes
    }

    /// Returns the sum of the waits between attempts.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Returns the cause of the last outcome that was worth a retry.
    pub fn cause(&self) -> Option<RetryCause> {
        self.cause
    }

    /// Returns the reason for which the session gave up on this response. It is `None` if the response was
    /// accepted.
    pub fn reason(&self) -> Option<GiveUpReason> {
        self.reason
    }
}
