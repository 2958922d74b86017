//! `tower::retry`, twice: as cheap as it can be, and with all that it has.
//!
//! Policies are the user's own with tower. Both of these clone the request with `Request::clone`, as the example in its
//! documentation does.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::retry::backoff::{Backoff, ExponentialBackoff, ExponentialBackoffMaker, MakeBackoff};
use tower::retry::budget::{Budget, TpsBudget};
use tower::retry::{Policy, Retry};
use tower::util::rng::HasherRng;
use tower::{BoxError, Service};

use super::{AnyBody, Wait, beyond, boxed};
use crate::Case;
use crate::send::{Run, repeat};
use crate::server::Server;

pub(super) fn send<B: AnyBody>(
    case: Case,
    server: Server,
    request: impl FnMut() -> Request<B> + 'static,
) -> Run {
    repeat(Retry::new(Cloning::new(case), server), request)
}

pub(super) fn send_with_budget<B: AnyBody>(
    case: Case,
    server: Server,
    request: impl FnMut() -> Request<B> + 'static,
) -> Run {
    repeat(Retry::new(Budgeted::new(case), server), request)
}

pub(super) fn waits(server: Server) -> Wait {
    let minute = backoff(Duration::from_secs(60), Duration::from_secs(3_600));
    // A budget would let only a hundred of them wait.
    let policy = Budgeted { budget: None, backoff: minute, ..Budgeted::new(Case::Get12) };
    boxed(Retry::new(policy, server))
}

pub(super) fn future_bytes(server: Server) -> i64 {
    let mut service = Retry::new(Cloning::new(Case::Get12), server);
    beyond::<Full<Bytes>, _>(&service.call(Request::new(Full::default())))
}

pub(super) fn future_bytes_with_budget(server: Server) -> i64 {
    let mut service = Retry::new(Budgeted::new(Case::Get12), server);
    beyond::<Full<Bytes>, _>(&service.call(Request::new(Full::default())))
}

/// Sends again at once, and for as long as it may.
#[derive(Clone, Debug)]
struct Cloning {
    is_once: bool,
    left: u32,
}

impl Cloning {
    fn new(case: Case) -> Self {
        Self { is_once: case == Case::Once, left: 2 }
    }
}

impl<B: Clone, R, E> Policy<Request<B>, Response<R>, E> for Cloning {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request<B>, result: &mut Result<Response<R>, E>) -> Option<Ready<()>> {
        let is_failed = has_failed(result);
        if !is_failed || self.left == 0 {
            return None;
        }
        self.left -= 1;
        Some(ready(()))
    }

    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
        (!self.is_once).then(|| request.clone())
    }
}

/// Pays for resends, and waits before them.
#[derive(Clone, Debug)]
struct Budgeted {
    is_once: bool,
    left: u32,
    budget: Option<Arc<TpsBudget>>,
    backoff: ExponentialBackoff,
}

impl Budgeted {
    /// The budget is tower's default, which earns and holds what ours does; the backoff that of our own default.
    fn new(case: Case) -> Self {
        let backoff = backoff(Duration::from_millis(100), Duration::from_secs(10));
        Self { is_once: case == Case::Once, left: 2, budget: Some(Arc::default()), backoff }
    }
}

impl<B: Clone, R, E> Policy<Request<B>, Response<R>, E> for Budgeted {
    type Future = tokio::time::Sleep;

    fn retry(
        &mut self,
        _: &mut Request<B>,
        result: &mut Result<Response<R>, E>,
    ) -> Option<tokio::time::Sleep> {
        if !has_failed(result) {
            if let Some(budget) = &self.budget {
                budget.deposit();
            }
            return None;
        }
        if self.left == 0 || self.budget.as_ref().is_some_and(|budget| !budget.withdraw()) {
            return None;
        }
        self.left -= 1;
        Some(self.backoff.next_backoff())
    }

    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
        (!self.is_once).then(|| request.clone())
    }
}

fn has_failed<R, E>(result: &Result<Response<R>, E>) -> bool {
    result.as_ref().map_or(true, |response| response.status().is_server_error())
}

fn backoff(base: Duration, cap: Duration) -> ExponentialBackoff {
    let maker = ExponentialBackoffMaker::new(base, cap, 0.99, HasherRng::default());
    let maker: Result<_, BoxError> = maker.map_err(Into::into);
    maker.expect("the base is below the cap").make_backoff()
}
