//! The peers, each set up as its own documentation does, to do the same: 3 attempts in all, and another for a 5xx.

mod ours;
mod reqwest_retry;
mod tower_resilience;
mod tower_retry;

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use clap::ValueEnum;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use pin_project_lite::pin_project;
use tower::{Layer, Service};

pub use self::ours::{at_rest, sleeps_of_a_resend};
pub(crate) use self::reqwest_retry::{send as send_reqwest, wait as wait_reqwest};
use crate::Case;
use crate::send::{Run, repeat};
use crate::server::Server;

/// What requests go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Subject {
    /// Nothing: the server alone.
    Bare,
    /// `tower_http_retry::RetryLayer::default()`.
    Ours,
    /// The same with `Pace::per_credential()`, whose key is free. It is no peer, and only the pace has rows for it.
    Paced,
    /// `tower::retry`, with a policy that clones requests and neither waits nor counts.
    Tower,
    /// `tower::retry`, with its budget and its backoff.
    TowerBudget,
    /// `tower_resilience_retry::RetryLayer`.
    Resilience,
    /// `reqwest_middleware`, with the server as its only middleware.
    BareReqwest,
    /// `reqwest_middleware` with `reqwest_retry`.
    Reqwest,
}

impl Subject {
    /// All subjects that are compared with each other.
    pub const ALL: [Self; 7] = [
        Self::Bare,
        Self::BareReqwest,
        Self::Ours,
        Self::Tower,
        Self::TowerBudget,
        Self::Resilience,
        Self::Reqwest,
    ];

    /// All that resend.
    pub const PEERS: [Self; 5] =
        [Self::Ours, Self::Tower, Self::TowerBudget, Self::Resilience, Self::Reqwest];

    /// What it is called in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "the server alone",
            Self::Ours => "ours",
            Self::Paced => "ours, with a pace at rest",
            Self::Tower => "tower",
            Self::TowerBudget => "tower, budget and backoff",
            Self::Resilience => "tower-resilience",
            Self::BareReqwest => "the server as a middleware",
            Self::Reqwest => "reqwest-retry",
        }
    }

    /// What is there without it.
    pub fn without(self) -> Self {
        match self {
            Self::BareReqwest | Self::Reqwest => Self::BareReqwest,
            _ => Self::Bare,
        }
    }
}

/// A body that all of them take.
pub(crate) trait AnyBody:
    Body<Data = Bytes, Error: Error + Send + Sync> + Clone + Send + Unpin + 'static
{
}

impl<B> AnyBody for B where B: Body<Data = Bytes, Error: Error + Send + Sync> + Clone + Send + Unpin + 'static {}

/// Sends through a subject that is a tower service.
pub(crate) fn send<B: AnyBody>(
    subject: Subject,
    case: Case,
    request: impl FnMut() -> Request<B> + 'static,
) -> Option<Run> {
    let server = if case.is_resent() { Server::alternating() } else { Server::serving() };
    match subject {
        Subject::Bare => Some(repeat(Server::serving(), request)),
        Subject::Ours => Some(ours::send(case, server, request)),
        Subject::Paced => Some(repeat(ours::paced().layer(server), request)),
        Subject::Tower => Some(tower_retry::send(case, server, request)),
        // Their backoffs sleep even where they are zero, and no sleep of tokio takes less than a millisecond.
        Subject::TowerBudget | Subject::Resilience if case.is_resent() => None,
        Subject::TowerBudget => Some(tower_retry::send_with_budget(case, server, request)),
        Subject::Resilience => Some(tower_resilience::send(case, server, request)),
        Subject::BareReqwest | Subject::Reqwest => None,
    }
}

/// What waits for a minute before it sends again, with a server that always fails.
pub(crate) fn waits(subject: Subject) -> Option<Wait> {
    match subject {
        Subject::Ours => Some(ours::waits(Server::failing())),
        Subject::TowerBudget => Some(tower_retry::waits(Server::failing())),
        Subject::Resilience => Some(tower_resilience::waits(Server::failing())),
        _ => None,
    }
}

/// A request that waits, in a box as a task would have it.
pub type Waiter = Pin<Box<dyn Future<Output = ()>>>;

/// Has a request wait.
pub(crate) type Wait = Box<dyn FnMut(Request<Full<Bytes>>) -> Waiter>;

/// Has a service's future wait in a box.
pub(crate) fn boxed<S, R>(mut service: S) -> Wait
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Future: 'static> + 'static,
{
    Box::new(move |request| Box::pin(Unit { future: service.call(request) }))
}

pin_project! {
    /// A future of which nobody wants the output, and which is no larger for that.
    struct Unit<F> {
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Unit<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().future.poll(cx).map(drop)
    }
}

/// The bytes of a subject's future beyond the inner future and one inner service; `None` where it is in a box of its own.
pub fn future_bytes(subject: Subject) -> Option<i64> {
    match subject {
        Subject::Ours => Some(ours::future_bytes(Server::serving())),
        Subject::Tower => Some(tower_retry::future_bytes(Server::serving())),
        Subject::TowerBudget => Some(tower_retry::future_bytes_with_budget(Server::serving())),
        _ => None,
    }
}

/// The bytes of a future, less those of what it is around; below zero where that is in a box.
pub(crate) fn beyond<B, F>(future: &F) -> i64
where
    Server: Service<Request<B>>,
{
    let inner = size_of::<<Server as Service<Request<B>>>::Future>();
    size_of_val(future) as i64 - (inner + size_of::<Server>()) as i64
}
