//! What is settled about a request before its first attempt.

use std::time::{Duration, Instant};

use http::Request;
use http_retry::{Policy, RequestHead, Session};

use crate::RetryOverride;
use crate::layer::{Settings, Terms};
use crate::timer;

/// How a request is sent that may be sent again.
#[derive(Clone, Copy)]
pub(crate) struct Itinerary {
    attempts: u32,
    deadline: Option<Duration>,
    /// When the request came, where it has a deadline. Few sessions ask for it.
    pub(super) called_at: Option<Instant>,
}

impl Itinerary {
    /// Of a request that comes now; `None` if it can never be sent again.
    pub(crate) fn of<P: Policy, B>(terms: &Terms<P>, request: &Request<B>) -> Option<Self> {
        let settings = &terms.settings;
        let overrides = request.extensions().get::<RetryOverride>();
        let attempts = overrides.and_then(|overrides| overrides.attempts).unwrap_or(settings.attempts);
        if attempts <= 1 || overrides.is_some_and(|overrides| overrides.never) {
            return None;
        }
        let head = RequestHead::from(request).looked_over();
        // A policy of the user's own may forget to ask for the second of these.
        if !policy(terms, overrides).keep(&head) || head.leaves_http() {
            return None;
        }
        let deadline = deadline(settings, overrides);
        Some(Self { attempts, deadline, called_at: deadline.map(|_| settings.timer.now()) })
    }

    /// Its session, whose clock does not run yet, unless somebody asks when it ends.
    #[inline]
    pub(super) fn unstarted(&self, settings: &Settings) -> Session {
        let mut session = Session::new().attempts(self.attempts).deadline(self.deadline);
        if !settings.heeds_hints {
            session = session.ignore_hints();
        }
        if settings.pace.is_some() {
            // Whoever stands in line is asked.
            session = self.start(session.paced());
        }
        session
    }

    /// Its session, whose clock has run since the request came.
    #[cfg(feature = "tower-retry")]
    pub(crate) fn session(&self, settings: &Settings) -> Session {
        self.start(self.unstarted(settings))
    }

    fn start(&self, session: Session) -> Session {
        match self.called_at {
            Some(called_at) => session.started(timer::on_scale(called_at)),
            None => session,
        }
    }
}

/// When a request that comes now and is never sent again must have been sent.
pub(super) fn ends_at<B>(settings: &Settings, request: &Request<B>) -> Option<Duration> {
    settings.pace.as_ref()?;
    let deadline = deadline(settings, request.extensions().get())?;
    Some(timer::monotonic(&*settings.timer).saturating_add(deadline))
}

/// The deadline of the request, else the layer's.
fn deadline(settings: &Settings, overrides: Option<&RetryOverride>) -> Option<Duration> {
    overrides.and_then(|overrides| overrides.deadline).unwrap_or(settings.deadline)
}

/// The policy of the request, else the layer's.
pub(crate) fn policy<'a, P: Policy>(
    terms: &'a Terms<P>,
    overrides: Option<&'a RetryOverride>,
) -> &'a dyn Policy {
    match overrides.and_then(|overrides| overrides.policy.as_deref()) {
        Some(policy) => policy,
        None => &terms.policy,
    }
}
