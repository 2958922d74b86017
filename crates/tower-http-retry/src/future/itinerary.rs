//! What is settled about a request before its first attempt.

use std::time::{Duration, Instant};

use http::Request;
use http_retry::{Policy, RequestHead, Session};

use crate::RetryOverride;
use crate::layer::{Settings, Terms};
use crate::timer;

/// The session of a request that comes now; `None` if it can never be sent again.
#[cfg(feature = "tower-retry")]
pub(crate) fn session<P: Policy, B>(terms: &Terms<P>, request: &Request<B>) -> Option<Session> {
    let (session, called_at) = unstarted(terms, request)?;
    Some(start(session, called_at))
}

/// The same, with its clock not running yet: where it has a deadline, the time from which it is to run. Few sessions ask
/// for it.
pub(super) fn unstarted<P: Policy, B>(
    terms: &Terms<P>,
    request: &Request<B>,
) -> Option<(Session, Option<Instant>)> {
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
    let called_at = deadline.map(|_| settings.timer.now());
    let mut session = Session::new().attempts(attempts).deadline(deadline);
    if !settings.heeds_hints {
        session = session.ignore_hints();
    }
    if settings.pace.is_some() {
        // Whoever stands in line is asked when it ends.
        session = start(session.paced(), called_at);
    }
    Some((session, called_at))
}

fn start(session: Session, called_at: Option<Instant>) -> Session {
    match called_at {
        Some(called_at) => session.started(timer::on_scale(called_at)),
        None => session,
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
