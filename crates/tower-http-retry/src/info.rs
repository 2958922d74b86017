//! What an attempt's request and a session's response carry in their extensions.

use std::time::Duration;

use http::Request;
use http_retry::{GiveUpReason, RetryCause, Session};

/// Which send of a request this is, in the extensions of each *resend*.
///
/// The original carries none, so that a request which is never sent again costs nothing;
/// [`of`](Self::of) knows that. The [crate's first example](crate) reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptNumber(u32);

impl AttemptNumber {
    pub(crate) fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number of the attempt that this request belongs to; 1 is the original.
    pub fn of<B>(request: &Request<B>) -> u32 {
        request.extensions().get::<Self>().map_or(1, |number| number.0)
    }
}

/// What happened to a request, in the extensions of the response of a session that resent or gave up.
///
/// ```
/// # use http::Response;
/// use tower_http_retry::RetryInfo;
///
/// # let response = Response::new(());
/// match response.extensions().get::<RetryInfo>() {
///     None => println!("the first answer"),
///     Some(info) => println!("{} attempts, {:?} waited", info.attempts(), info.waited()),
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryInfo {
    pub(crate) attempts: u32,
    pub(crate) waited: Duration,
    pub(crate) cause: Option<RetryCause>,
    pub(crate) reason: Option<GiveUpReason>,
}

impl RetryInfo {
    /// Of a session that has ended, with the reason where it gave up; `None` where the first outcome was accepted.
    #[inline]
    pub(crate) fn of(session: &Session, reason: Option<GiveUpReason>) -> Option<Self> {
        if session.number() == 1 && reason.is_none() {
            return None;
        }
        Some(Self { attempts: session.number(), waited: session.waited(), cause: session.cause(), reason })
    }

    /// How often the request was sent.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// How long the session waited between attempts in all.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Why the last outcome that was worth retrying was so.
    pub fn cause(&self) -> Option<RetryCause> {
        self.cause
    }

    /// Why the session gave up on this response; `None` where the response was accepted.
    pub fn reason(&self) -> Option<GiveUpReason> {
        self.reason
    }
}
