//! Requests that share a limit wait for each other: a [`Pace`] with timers. [`PaceLayer`](crate::PaceLayer) is a pace alone,
//! and [`RetryLayer::pace`](crate::RetryLayer::pace) adds one to retries.

mod admitted;
pub(crate) mod error;
mod future;
mod key_in_body;
pub(crate) mod layer;
mod request;
mod service;
mod wait;

use std::fmt;
use std::sync::Arc;

use http_retry::{Pace, RequestHead};

pub(crate) use self::admitted::Admitted;
pub(crate) use self::error::PaceError;
pub use self::future::PaceFuture;
pub use self::key_in_body::KeyInBody;
pub(crate) use self::request::{NotAdmitted, PacedRequest};
pub use self::service::PaceService;
pub use self::wait::PaceWait;
pub use crate::service::BoxedPacedRetry;
use crate::timer::{self, TokioTimer};
pub use http_retry::{PaceRejection, PaceReport, Why};

/// A [`Pace`] that several layers share. Clones are handles of the same one.
///
/// ```
/// use tower_http_retry::{Pace, PaceLayer, RetryLayer};
/// use tower_http_retry::pace::SharedPace;
///
/// let pace = SharedPace::from(Pace::per_authority());
/// let retried = RetryLayer::default().pace(pace.clone());
/// let sent_once = PaceLayer::new(pace.clone());
/// # let _: (RetryLayer<_, tower_http_retry::markers::Concrete, _>, _) = (retried, sent_once);
/// assert_eq!((pace.waiting(), pace.unpaced()), (0, 0));
/// ```
#[derive(Clone)]
pub struct SharedPace {
    pub(crate) pace: Arc<Pace>,
    pub(crate) key_in_body: Option<Arc<dyn KeyInBody>>,
}

impl SharedPace {
    /// Sets what reads the part of a key that stands in a request's body. See [`KeyInBody`].
    pub fn key_in_body(mut self, reader: impl KeyInBody + 'static) -> Self {
        self.key_in_body = Some(Arc::new(reader));
        self
    }

    /// Returns whether a request whose key is not fully known would have to wait if its key were one that holds requests
    /// back now: see [`Pace::may_hold`]. The clock is that of [`TokioTimer`].
    pub fn may_hold(&self, head: &RequestHead<'_>) -> bool {
        self.pace.may_hold(head, || timer::monotonic(&TokioTimer))
    }

    /// Returns whether both are handles of the same pace.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.pace, &other.pace)
    }

    /// Returns the number of requests that wait, over all keys.
    pub fn waiting(&self) -> usize {
        self.pace.waiting()
    }

    /// Returns the number of requests that went without a pace, because the table of keys was full.
    pub fn unpaced(&self) -> u64 {
        self.pace.unpaced()
    }

    /// Describes the keys at which anything is known, those with the longest queues first, then those that something
    /// holds back, and at most `most` of them. The times in it count from now by the clock of [`TokioTimer`], which must be the clock of the layers too.
    pub fn reports(&self, most: usize) -> Vec<PaceReport> {
        self.pace.reports(timer::monotonic(&TokioTimer), most)
    }

    /// Describes the key of a request, as [`reports`](Self::reports) does.
    pub fn report(&self, head: &RequestHead<'_>) -> PaceReport {
        self.pace.report(&self.pace.ticket(head), timer::monotonic(&TokioTimer))
    }
}

impl From<Pace> for SharedPace {
    fn from(pace: Pace) -> Self {
        Self { pace: Arc::new(pace), key_in_body: None }
    }
}

impl fmt::Debug for SharedPace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pace.fmt(f)
    }
}
