//! `tower-http-retry`, with its defaults: its budget, its deadline, its classification by method, its kept bodies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tower::{Layer, Service};
use tower_http_retry::markers::{Concrete, Paced};
use tower_http_retry::policy::{FixedDelay, Jitter};
use tower_http_retry::timer::{Sleep, Timer, TokioTimer};
use tower_http_retry::{Budget, ExponentialBackoff, Pace, Policy, ReplayBody, RetryAfterFirst, RetryLayer};

use super::{AnyBody, Wait, beyond, boxed};
use crate::Case;
use crate::head::Values;
use crate::send::{Run, repeat, request};
use crate::server::Server;

pub(super) fn send<B: AnyBody>(
    case: Case,
    server: Server,
    request: impl FnMut() -> Request<B> + 'static,
) -> Run {
    match case {
        Case::Once => repeat(RetryLayer::default().max_attempts(1).layer(server), request),
        _ if case.is_resent() => repeat(at_once().layer(server), request),
        _ => repeat(RetryLayer::default().layer(server), request),
    }
}

/// The defaults, with the pace that LLM APIs get. Nobody is ever refused here, so its keys are free.
pub(super) fn paced() -> RetryLayer<RetryAfterFirst, Concrete, Paced> {
    RetryLayer::default().pace(Pace::per_credential())
}

/// Makes what sends the requests of [`Case::Get13`] through the layer, with a pace at rest or without a pace. All that it makes
/// share one layer and one key, so that each thread can have its own.
pub fn at_rest(is_paced: bool) -> Box<dyn Fn() -> Run + Send + Sync> {
    let request = || request(Case::Get13, Values::Shared, Full::default());
    if is_paced {
        let service = paced().layer(Server::serving());
        return Box::new(move || repeat(service.clone(), request()));
    }
    let service = RetryLayer::default().layer(Server::serving());
    Box::new(move || repeat(service.clone(), request()))
}

/// Resends without a wait, keeps bodies of any size, and earns as much as it spends, or the server's failures would soon
/// be all that anybody gets.
fn at_once() -> RetryLayer<impl Policy> {
    RetryLayer::new(RetryAfterFirst::new(FixedDelay::new(Duration::ZERO)))
        .budget(Budget::percent(100))
        .replay_limit(usize::MAX)
}

pub(super) fn waits(server: Server) -> Wait {
    let minute =
        ExponentialBackoff::new(Duration::from_secs(60), Duration::from_secs(3_600)).jitter(Jitter::None);
    // A budget would let only a hundred of them wait, and the deadline none.
    boxed(RetryLayer::new(RetryAfterFirst::new(minute)).budget(None).max_elapsed(None).layer(server))
}

pub(super) fn future_bytes(server: Server) -> i64 {
    let mut service = RetryLayer::default().layer(server);
    beyond::<ReplayBody<Full<Bytes>>, _>(&service.call(Request::new(Full::<Bytes>::default())))
}

/// How often the timer is asked to sleep for a resend whose window is zero.
pub fn sleeps_of_a_resend() -> u64 {
    let sleeps = Arc::new(AtomicU64::new(0));
    let service = at_once().timer(Counting(Arc::clone(&sleeps))).layer(Server::alternating());
    repeat(service, request(Case::Resend, Values::Shared, Full::default()))(1);
    sleeps.load(Ordering::Relaxed)
}

struct Counting(Arc<AtomicU64>);

impl Timer for Counting {
    fn sleep(&self, _: Duration) -> Sleep {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::ready(()))
    }

    fn now(&self) -> Instant {
        TokioTimer.now()
    }
}
