//! `tower-resilience-retry`, as its builder has it, and told to look at responses: by itself it resends only for errors.
//!
//! It cannot be told that a request is never sent again before it has cloned it; there it has one attempt.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::Layer;
use tower_resilience_retry::{RetryConfigBuilder, RetryLayer};

use super::{AnyBody, Wait, boxed};
use crate::Case;
use crate::send::{Run, repeat};
use crate::server::Server;

pub(super) fn send<B: AnyBody>(
    case: Case,
    server: Server,
    request: impl FnMut() -> Request<B> + 'static,
) -> Run {
    let attempts = if case == Case::Once { 1 } else { 3 };
    repeat(builder().max_attempts(attempts).build().layer(server), request)
}

pub(super) fn waits(server: Server) -> Wait {
    boxed(builder().fixed_backoff(Duration::from_secs(60)).build().layer(server))
}

fn builder<B>() -> RetryConfigBuilder<Request<B>, Response<Full<Bytes>>, Infallible> {
    let builder = RetryLayer::builder().max_attempts(3).exponential_backoff(Duration::from_millis(100));
    builder.retry_on_response(|response: &Response<_>| response.status().is_server_error())
}
