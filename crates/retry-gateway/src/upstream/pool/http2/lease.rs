//! A stream of an HTTP/2 connection for one request.

use std::error::Error;
use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode};

use super::Http2Pool;
use super::connection::Http2Connection;
use crate::sync::lock;
use crate::upstream::pool::error::SendError;
use crate::upstream::pool::request::{ConnectionFuture, EndpointRequest};

/// A stream of a connection for one request. Its drop makes room for another request.
#[derive(Debug)]
pub(crate) struct Http2Lease {
    connection: Arc<Http2Connection>,
    pool: Arc<Http2Pool>,
    /// The bytes that the connection had read when the request got its stream.
    bytes_before: u64,
    /// The number of requests that had their answers when this one was sent.
    answered_before: u64,
    /// The number of requests that the connection had been given before this one.
    sent_before: u64,
    /// Set for a request whose response has no content.
    is_head: bool,
    /// Set once the request has the head of its response, or the connection has ended under it. Any other request may have had no
    /// stream.
    is_settled: bool,
    /// Set once the response has ended. Until then the drop cancels the stream.
    has_ended: bool,
}

impl Http2Lease {
    /// Takes a stream, under the lock of the pool.
    pub(super) fn new(pool: &Arc<Http2Pool>, connection: &Arc<Http2Connection>) -> Self {
        connection.open_stream();
        Self {
            bytes_before: connection.bytes_read(),
            connection: Arc::clone(connection),
            pool: Arc::clone(pool),
            answered_before: 0,
            sent_before: 0,
            is_head: false,
            is_settled: true,
            has_ended: false,
        }
    }

    pub(in crate::upstream::pool) fn send(&mut self, request: EndpointRequest) -> ConnectionFuture {
        self.is_head = *request.method() == Method::HEAD;
        self.is_settled = false;
        self.answered_before = self.connection.answered();
        let (response, sent_before) = self.connection.send(request);
        self.sent_before = sent_before;
        response
    }

    pub(in crate::upstream::pool) fn lacks_content(&self, status: StatusCode) -> bool {
        self.is_head || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
    }

    /// Notes that the request got the head of its response.
    pub(in crate::upstream::pool) fn on_response(&mut self) {
        self.is_settled = true;
        self.connection.count_answer();
        if self.connection.is_broken() {
            self.pool.learn(&self.connection);
        }
    }

    /// Notes that the request failed before the head of its response, and not by its time.
    pub(in crate::upstream::pool) fn on_failure(&mut self, error: &hyper::Error) {
        if self.connection.has_ended() && !is_refused_by_h2(error) {
            self.is_settled = true;
            self.connection.set_broken();
            self.pool.learn(&self.connection);
        }
    }

    /// Returns whether the endpoint has told that it does not process the request.
    pub(in crate::upstream::pool) fn is_unprocessed(&self) -> bool {
        self.connection.is_beyond_goaway(self.sent_before, self.answered_before)
    }

    /// Returns an error if the head of a response has more lines or bytes than the configuration allows.
    pub(in crate::upstream::pool) fn check_head(&self, headers: &HeaderMap) -> Result<(), SendError> {
        let config = &self.pool.config;
        let is_too_large = headers.len() > config.max_response_headers
            || size_of(headers) > config.max_response_header_bytes;
        if is_too_large {
            Err(SendError::head_too_large("more than the configuration allows"))
        } else {
            Ok(())
        }
    }

    /// Returns an error if trailers have more lines or bytes than the configuration allows. h2 drops a line that is
    /// above its own limit, so a server that sends trailers has sent more than none.
    pub(in crate::upstream::pool) fn check_trailers(&self, trailers: &HeaderMap) -> Result<(), SendError> {
        match trailers.is_empty() {
            true => Err(SendError::head_too_large("more than can be read")),
            false => self.check_head(trailers),
        }
    }

    /// Notes that the request's time passed. If the endpoint has sent nothing since the request began, the connection
    /// gets no more requests until it does.
    pub(in crate::upstream::pool) fn on_timeout(&self) {
        if self.connection.bytes_read() == self.bytes_before {
            self.connection.set_silent();
        }
    }

    pub(in crate::upstream::pool) fn into_pool(self) -> Arc<Http2Pool> {
        Arc::clone(&self.pool)
    }

    /// Gives the stream back after the end of the response.
    pub(in crate::upstream::pool) fn release(mut self) {
        self.has_ended = true;
    }
}

impl Drop for Http2Lease {
    fn drop(&mut self) {
        if !self.is_settled {
            self.connection.count_abandoned();
        }
        let state = lock(&self.pool.state);
        self.connection.close_stream(self.has_ended);
        let has_waiters = !state.waiters.is_empty();
        drop(state);
        if has_waiters {
            self.pool.serve_waiters();
        }
    }
}

/// Returns whether h2 did not take the request, which got no stream.
fn is_refused_by_h2(error: &hyper::Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
    source.is_some_and(|error| !error.is_io() && error.reason().is_none())
}

/// Returns the size of header lines, with a colon, a blank and the end of each line.
fn size_of(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}
