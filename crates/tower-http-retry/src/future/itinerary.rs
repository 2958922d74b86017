//! What is settled about a request before its first attempt.

use std::time::Duration;

use http::Request;
use http_retry::{Policy, RequestHead, Session};

use crate::RetryOverride;
use crate::layer::{Settings, Terms};
use crate::timer;

/// The session of a request that comes now; `None` if it can never be sent again.
pub(crate) fn session<P: Policy, B>(terms: &Terms<P>, request: &Request<B>) -> Option<Session> {
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
    let mut session = Session::new().attempts(attempts).deadline(deadline);
    if !settings.heeds_hints {
        session = session.ignore_hints();
    }
    if settings.pace.is_some() {
        session = session.paced();
    }
    if deadline.is_some() {
        session = session.started(timer::monotonic(&*settings.timer));
    }
    Some(session)
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
