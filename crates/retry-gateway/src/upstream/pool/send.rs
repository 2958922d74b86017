//! One request on a connection of the pool.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::Response;
use tokio::time::Instant;

use super::body::PooledBody;
use super::error::SendError;
use super::http1::{Http1Connection, Http1Pool};
use super::http2::{Http2Lease, Http2Pool};
use super::lease::Lease;
use super::request::{self, ConnectionFuture, EndpointRequest};
use crate::connection::request_limit::{RequestLimit, RequestPermit};

/// The send of a request.
///
/// It is written by hand, so that a request that finds a connection needs no allocation but that for hyper's future.
pub(crate) enum SendFuture {
    /// The request waits for a connection. The future is boxed, because most requests find one.
    Waiting {
        connected: Pin<Box<dyn Future<Output = Result<Connected, SendError>> + Send>>,
        /// Set if the connection is being opened for this request.
        is_connecting: bool,
    },
    /// The request has a connection, and waits for a permit.
    Queued(Pin<Box<dyn Future<Output = Option<SentRequest>> + Send>>),
    /// A connection has the request. `None` after the response.
    Sent(Option<SentRequest>),
}

/// A request with the connection that it has waited for.
pub(crate) enum Connected {
    Http1(Arc<Http1Pool>, Box<Http1Connection>, EndpointRequest),
    Http2(Http2Lease, EndpointRequest),
}

/// A request that was handed to a connection.
pub(crate) struct SentRequest {
    /// It is dropped before `response`, so that its drop has been counted when hyper finds that nobody waits for that.
    lease: Lease,
    response: ConnectionFuture,
    /// Set if the connection has served a request before.
    is_reused: bool,
    permit: RequestPermit,
}

impl SendFuture {
    pub(super) fn http1(
        pool: &Arc<Http1Pool>,
        mut request: EndpointRequest,
        permit: RequestPermit,
        now: Instant,
    ) -> Self {
        request::set_framing(&mut request);
        match pool.take_idle(now) {
            Some(connection) => {
                let (lease, response) = Arc::clone(pool).send(connection, request);
                let lease = Lease::Http1(lease);
                Self::Sent(Some(SentRequest { response, lease, is_reused: true, permit }))
            }
            None => Self::wait_for_http1(Arc::clone(pool), request),
        }
    }

    pub(super) fn http2(pool: &Arc<Http2Pool>, request: EndpointRequest, permit: RequestPermit) -> Self {
        match pool.take_stream() {
            Some(lease) => Self::Sent(Some(Connected::Http2(lease, request).send(permit, true))),
            None => Self::wait_for_http2(Arc::clone(pool), request),
        }
    }

    fn wait_for_http1(pool: Arc<Http1Pool>, request: EndpointRequest) -> Self {
        let connected = Box::pin(async move {
            let connection = pool.connection().await?;
            Ok(Connected::Http1(pool, connection, request))
        });
        Self::Waiting { connected, is_connecting: true }
    }

    fn wait_for_http2(pool: Arc<Http2Pool>, request: EndpointRequest) -> Self {
        let connected = Box::pin(async move { Ok(Connected::Http2(pool.stream().await?, request)) });
        Self::Waiting { connected, is_connecting: false }
    }

    /// Sends a request that has its connection now, as soon as it has a permit.
    fn go_on(connected: Connected, limit: &RequestLimit) -> Self {
        if let Some(permit) = limit.try_acquire() {
            return Self::Sent(Some(connected.send(permit, false)));
        }
        let limit = limit.clone();
        Self::Queued(Box::pin(async move { Some(connected.send(limit.acquire().await?, false)) }))
    }

    /// Returns whether a connection has the request.
    pub(crate) fn is_sent(&self) -> bool {
        matches!(self, Self::Sent(_))
    }

    /// Notes that the time of the request has passed. Returns an error if it was not sent, and `None` if it was. A
    /// connection that is silent since then takes no more requests.
    pub(crate) fn on_timeout(&self) -> Option<SendError> {
        match self {
            Self::Waiting { is_connecting: true, .. } => Some(SendError::connect_timeout()),
            Self::Waiting { is_connecting: false, .. } => Some(SendError::no_connection()),
            Self::Queued(_) => Some(SendError::NoPermit),
            Self::Sent(sent) => {
                if let Some(sent) = sent {
                    sent.lease.on_timeout();
                }
                None
            }
        }
    }

    /// Resolves with the response, and with the permit of the request. `limit` gives a permit to a request that has
    /// waited for its connection.
    pub(crate) fn poll(
        &mut self,
        limit: &RequestLimit,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(Response<PooledBody>, RequestPermit), SendError>> {
        loop {
            let (response, SentRequest { mut lease, is_reused, permit, .. }) = match self {
                Self::Waiting { connected, .. } => {
                    *self = Self::go_on(ready!(connected.as_mut().poll(cx))?, limit);
                    continue;
                }
                Self::Queued(sent) => {
                    let sent = ready!(sent.as_mut().poll(cx)).ok_or(SendError::NoPermit)?;
                    *self = Self::Sent(Some(sent));
                    continue;
                }
                Self::Sent(sent) => {
                    // It is polled where it lies: a move out of the future and back would cost more than the poll.
                    let response = sent.as_mut().expect(ALREADY_RESOLVED).response.as_mut();
                    (ready!(response.poll(cx)), sent.take().expect(ALREADY_RESOLVED))
                }
            };
            let mut error = match response {
                Ok(response) => {
                    if let Err(error) = lease.on_response(&response) {
                        return Poll::Ready(Err(error));
                    }
                    let status = response.status();
                    let response = response.map(|body| PooledBody::new(status, body, lease));
                    return Poll::Ready(Ok((response, permit)));
                }
                Err(error) => error,
            };
            // The endpoint closed the connection just before the request reached it. The request never left, so
            // another connection takes it. This is not repeated for a new connection, so the loop ends.
            match error.take_message() {
                Some(request) if is_reused => {
                    *self = match lease {
                        Lease::Http1(lease) => Self::wait_for_http1(lease.into_pool(), request),
                        Lease::Http2(lease) => Self::wait_for_http2(lease.into_pool(), request),
                    }
                }
                _ => {
                    let error = SendError::from_hyper(error.into_error());
                    if let SendError::Connection(error) = &error {
                        lease.on_failure(error, is_reused);
                    }
                    return Poll::Ready(Err(match lease.is_unprocessed() {
                        true => error.with_goaway(),
                        false => error,
                    }));
                }
            }
        }
    }
}

impl Connected {
    fn send(self, permit: RequestPermit, is_reused: bool) -> SentRequest {
        let (lease, response) = match self {
            Self::Http1(pool, connection, request) => {
                let (lease, response) = pool.send(connection, request);
                (Lease::Http1(lease), response)
            }
            Self::Http2(mut lease, request) => {
                let response = lease.send(request);
                (Lease::Http2(lease), response)
            }
        };
        SentRequest { response, lease, is_reused, permit }
    }
}

const ALREADY_RESOLVED: &str = "the future is not polled after it has resolved";
