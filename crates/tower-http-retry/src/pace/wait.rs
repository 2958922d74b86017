//! The wait of a request for its pace.

use std::time::Duration;

use http_retry::Why;

use crate::trace;

/// The reason and the length of a wait for the pace, in the extensions of the response of a request that waited.
///
/// ```
/// # use http::Response;
/// use tower_http_retry::pace::PaceWait;
///
/// # let response = Response::new(());
/// if let Some(wait) = response.extensions().get::<PaceWait>() {
///     println!("{} for {:?}", wait.why(), wait.waited());
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaceWait {
    why: Why,
    waited: Duration,
}

impl PaceWait {
    fn new(why: Why) -> Self {
        Self { why, waited: Duration::ZERO }
    }

    /// Records a reason. A reason that the request shares with others outranks its own hint.
    fn note(&mut self, why: Why) {
        if why != Why::OwnHint {
            self.why = why;
        }
    }

    fn add(&mut self, waited: Duration) {
        self.waited = self.waited.saturating_add(waited);
    }

    /// Returns the last reason of the wait.
    pub fn why(&self) -> Why {
        self.why
    }

    /// Returns the sum of the waits before all attempts.
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

/// The waits of a request until now.
#[derive(Default)]
pub(super) struct WaitLog {
    wait: Option<PaceWait>,
    /// The reason of the wait that lasts.
    why: Option<Why>,
    /// The start of the wait that lasts.
    started_at: Option<Duration>,
    /// True if the wait that lasts was traced.
    is_traced: bool,
}

impl WaitLog {
    /// Returns why and for how long the request waited, if it did.
    pub(super) fn wait(&self) -> Option<PaceWait> {
        self.wait
    }

    /// Returns the same for a request that may still wait, with the time until now.
    pub(super) fn wait_until(&self, now: Duration) -> Option<PaceWait> {
        let mut wait = self.wait?;
        wait.add(self.started_at.map_or(Duration::ZERO, |started_at| now.saturating_sub(started_at)));
        Some(wait)
    }

    /// Returns why the request waits now, if it does.
    pub(super) fn why(&self) -> Option<Why> {
        self.why
    }

    /// Records that the request waits, and why.
    pub(super) fn note(&mut self, why: Why, now: Duration) {
        self.why = Some(why);
        self.wait.get_or_insert_with(|| PaceWait::new(why)).note(why);
        self.started_at.get_or_insert(now);
    }

    /// Traces the reason once for each wait. The end of a request's own hint was traced already.
    pub(super) fn trace(&mut self, why: Why, wait: Duration) {
        if !self.is_traced && why != Why::OwnHint {
            self.is_traced = true;
            trace::held(why, wait);
        }
    }

    /// Records that the pace admits the request.
    pub(super) fn end(&mut self, now: Duration) {
        (self.is_traced, self.why) = (false, None);
        if let (Some(wait), Some(started_at)) = (&mut self.wait, self.started_at.take()) {
            wait.add(now.saturating_sub(started_at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_waits_for_the_last_reason_until_it_is_admitted() {
        let mut waits = WaitLog::default();
        assert_eq!(waits.why(), None);
        waits.note(Why::Rate, Duration::ZERO);
        waits.note(Why::OwnHint, Duration::from_secs(1));
        assert_eq!((waits.why(), waits.wait().map(|wait| wait.why())), (Some(Why::OwnHint), Some(Why::Rate)));
        waits.end(Duration::from_secs(2));
        assert_eq!(waits.why(), None);
    }

    #[test]
    fn a_reason_that_others_share_outranks_the_own_hint() {
        let mut wait = PaceWait::new(Why::OwnHint);
        wait.note(Why::Stopped);
        wait.note(Why::OwnHint);
        wait.add(Duration::from_secs(1));
        wait.add(Duration::from_secs(2));
        assert_eq!((wait.why(), wait.waited()), (Why::Stopped, Duration::from_secs(3)));
    }
}
