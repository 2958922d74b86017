//! The decisions about a request before its first attempt.

use std::time::{Duration, Instant};

use http::{Method, Request};
use http_retry::{Policy, RequestHead, Session};

use crate::RetryOverride;
use crate::config::Config;
use crate::timer;

/// The time from which a session counts its elapsed time.
#[derive(Clone, Copy)]
pub(super) enum ClockStart {
    /// The time is not needed: there is no time limit, or the session knows it already.
    NotNeeded,
    /// No attempt has been found pending yet.
    Pending,
    /// The first attempt was found pending at this time.
    At(Instant),
}

impl ClockStart {
    pub(super) fn time(self) -> Option<Duration> {
        match self {
            Self::At(time) => Some(timer::since_origin(time)),
            Self::NotNeeded | Self::Pending => None,
        }
    }
}

/// The limits of a request that may be sent again.
#[derive(Clone, Copy)]
pub(crate) struct RequestPlan {
    max_attempts: u32,
    pub(crate) max_elapsed: Option<Duration>,
    /// The `grpc-timeout` of the request, if the layer keeps to it.
    #[cfg(all(feature = "grpc", feature = "tower-retry"))]
    pub(crate) grpc_timeout: Option<Duration>,
}

impl RequestPlan {
    /// Creates the plan of a request. It returns `None` if the request can never be sent again.
    pub(crate) fn from_request<P: Policy, B>(config: &Config<P>, request: &Request<B>) -> Option<Self> {
        let overrides = request.extensions().get::<RetryOverride>();
        let max_attempts =
            overrides.and_then(|overrides| overrides.max_attempts).unwrap_or(config.max_attempts);
        if config.budget_is_zero || max_attempts <= 1 || overrides.is_some_and(|overrides| overrides.never) {
            return None;
        }
        let head = RequestHead::from(request).looked_over();
        // The body of a CONNECT is the tunnel, and must not be buffered. The standard policies exclude an upgrade too. If
        // another policy does not, the session sends it again only if it was never sent.
        if !policy(config, overrides).is_retryable(&head) || head.method() == Method::CONNECT {
            return None;
        }
        let max_elapsed = max_elapsed(config.max_elapsed, overrides);
        #[cfg(feature = "grpc")]
        let grpc_timeout =
            config.keeps_grpc_timeout.then(|| crate::grpc::timeout(request.headers())).flatten();
        #[cfg(feature = "grpc")]
        let max_elapsed = {
            // A resend that has no time left is not sent.
            let last_start = grpc_timeout.map(|timeout| timeout.saturating_sub(Duration::from_nanos(1)));
            max_elapsed.into_iter().chain(last_start).min()
        };
        Some(Self {
            max_attempts,
            max_elapsed,
            #[cfg(all(feature = "grpc", feature = "tower-retry"))]
            grpc_timeout,
        })
    }

    /// Creates the session of the request. Its clock does not run yet, unless there is a pace, which asks for
    /// the end of the session at once. `now` is the time of the call if there is a pace.
    #[inline]
    pub(crate) fn session<P>(&self, config: &Config<P>, now: Option<Duration>) -> Session {
        let mut session = Session::new().max_attempts(self.max_attempts).max_elapsed(self.max_elapsed);
        if !config.reads_hints {
            session = session.ignore_hints();
        }
        if let Some(now) = now {
            session = session.paced();
            if self.max_elapsed.is_some() {
                session = session.started(now);
            }
        }
        session
    }

    #[inline]
    pub(super) fn clock_start<P>(&self, config: &Config<P>) -> ClockStart {
        match (self.max_elapsed, &config.pace) {
            (Some(_), None) => ClockStart::Pending,
            (None, _) | (_, Some(_)) => ClockStart::NotNeeded,
        }
    }
}

/// Returns the time by which a pace must admit a request that is sent once.
pub(super) fn gives_up_at<P, B>(config: &Config<P>, request: &Request<B>) -> Option<Duration> {
    config.pace.as_ref()?;
    let max_elapsed = max_elapsed(config.max_elapsed, request.extensions().get())?;
    Some(timer::monotonic(&*config.timer).saturating_add(max_elapsed))
}

/// Returns the time limit of the request, or else the limit of the layer.
fn max_elapsed(of_layer: Option<Duration>, overrides: Option<&RetryOverride>) -> Option<Duration> {
    overrides.and_then(|overrides| overrides.max_elapsed).unwrap_or(of_layer)
}

/// Returns the policy of the request, or else the policy of the layer.
pub(crate) fn policy<'a, P: Policy>(
    config: &'a Config<P>,
    overrides: Option<&'a RetryOverride>,
) -> &'a dyn Policy {
    match overrides.and_then(|overrides| overrides.policy.as_deref()) {
        Some(policy) => policy,
        None => &*config.policy,
    }
}
