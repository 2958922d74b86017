//! What is settled about a request before its first attempt.

use std::time::{Duration, Instant};

use http::Request;
use http_retry::{Policy, RequestHead, Session};

use crate::RetryOverride;
use crate::layer::{Settings, Terms};
use crate::timer;

/// From when a session counts.
#[derive(Clone, Copy)]
pub(super) enum Departure {
    /// Nobody asks: there is no deadline, or the session knows.
    Unasked,
    /// Nothing has been waited for yet.
    Ahead,
    /// The first attempt was waited for from then on.
    At(Instant),
}

impl Departure {
    pub(super) fn time(self) -> Option<Duration> {
        match self {
            Self::At(time) => Some(timer::since_origin(time)),
            Self::Unasked | Self::Ahead => None,
        }
    }
}

/// How a request is sent that may be sent again.
#[derive(Clone, Copy)]
pub(crate) struct Itinerary {
    attempts: u32,
    pub(crate) deadline: Option<Duration>,
}

impl Itinerary {
    /// Of a request that comes now; `None` if it can never be sent again.
    pub(crate) fn of<P: Policy, B>(terms: &Terms<P>, request: &Request<B>) -> Option<Self> {
        let settings = &terms.settings;
        let overrides = request.extensions().get::<RetryOverride>();
        let attempts =
            overrides.and_then(|overrides| overrides.max_attempts).unwrap_or(settings.max_attempts);
        if terms.budget_is_zero || attempts <= 1 || overrides.is_some_and(|overrides| overrides.never) {
            return None;
        }
        let head = RequestHead::from(request).looked_over();
        // A policy of the user's own may forget to ask for the second of these.
        if !policy(terms, overrides).is_retryable(&head) || head.is_connect_or_upgrade() {
            return None;
        }
        Some(Self { attempts, deadline: deadline(settings, overrides) })
    }

    /// Its session. Its clock does not run yet, but where there is a pace: whoever stands in line is asked when it ends.
    #[inline]
    pub(crate) fn session(&self, settings: &Settings) -> Session {
        let mut session = Session::new().max_attempts(self.attempts).max_elapsed(self.deadline);
        if !settings.heeds_hints {
            session = session.ignore_hints();
        }
        if settings.pace.is_some() {
            session = session.paced();
            if self.deadline.is_some() {
                session = session.started(timer::monotonic(&*settings.timer));
            }
        }
        session
    }

    #[inline]
    pub(super) fn departure(&self, settings: &Settings) -> Departure {
        match (self.deadline, &settings.pace) {
            (Some(_), None) => Departure::Ahead,
            (None, _) | (_, Some(_)) => Departure::Unasked,
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
    overrides.and_then(|overrides| overrides.max_elapsed).unwrap_or(settings.max_elapsed)
}

/// The policy of the request, else the layer's.
pub(crate) fn policy<'a, P: Policy>(
    terms: &'a Terms<P>,
    overrides: Option<&'a RetryOverride>,
) -> &'a dyn Policy {
    match overrides.and_then(|overrides| overrides.policy.as_deref()) {
        Some(policy) => policy,
        None => &*terms.policy,
    }
}
