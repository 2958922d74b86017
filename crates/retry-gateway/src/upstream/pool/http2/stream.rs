//! A stream of an HTTP/2 connection for one request.

use std::error::Error;
use std::sync::Arc;

use http::{Method, StatusCode};

use super::connection::Http2Connection;
use crate::upstream::pool::request::{ConnectionFuture, EndpointRequest};

/// A stream, and what its request has come to.
#[derive(Debug)]
pub(super) struct Http2Stream {
    pub(super) connection: Arc<Http2Connection>,
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
    pub(super) has_ended: bool,
}

impl Http2Stream {
    /// Takes a stream, under the lock of the pool.
    pub(super) fn new(connection: &Arc<Http2Connection>) -> Self {
        connection.open_stream();
        Self {
            bytes_before: connection.bytes_read(),
            connection: Arc::clone(connection),
            answered_before: 0,
            sent_before: 0,
            is_head: false,
            is_settled: true,
            has_ended: false,
        }
    }

    pub(super) fn send(&mut self, request: EndpointRequest) -> ConnectionFuture {
        self.is_head = *request.method() == Method::HEAD;
        self.is_settled = false;
        self.answered_before = self.connection.answered();
        let (response, sent_before) = self.connection.send(request);
        self.sent_before = sent_before;
        response
    }

    pub(super) fn lacks_content(&self, status: StatusCode) -> bool {
        self.is_head || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
    }

    /// Notes that the request got the head of its response. Returns whether the connection has ended under another request.
    pub(super) fn on_response(&mut self) -> bool {
        self.is_settled = true;
        self.connection.count_answer();
        self.connection.is_broken()
    }

    /// Notes that the request failed before the head of its response, and not by its time. Returns whether the connection has
    /// ended under it.
    pub(super) fn on_failure(&mut self, error: &hyper::Error) -> bool {
        let has_ended = self.connection.has_ended() && !is_refused_by_h2(error);
        if has_ended {
            self.is_settled = true;
            self.connection.set_broken();
        }
        has_ended
    }

    /// Returns whether the endpoint has told that it does not process the request.
    pub(super) fn is_unprocessed(&self) -> bool {
        self.connection.is_beyond_goaway(self.sent_before, self.answered_before)
    }

    /// Notes that the request's time passed. If the endpoint has sent nothing since the request began, the connection
    /// gets no more requests until it does.
    pub(super) fn on_timeout(&self) {
        if self.connection.bytes_read() == self.bytes_before {
            self.connection.set_silent();
        }
    }

    /// Gives the stream back, under the lock of the pool.
    pub(super) fn close(&self) {
        if !self.is_settled {
            self.connection.count_abandoned();
        }
        self.connection.close_stream(self.has_ended);
    }
}

/// Returns whether h2 did not take the request, which got no stream.
fn is_refused_by_h2(error: &hyper::Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
    source.is_some_and(|error| !error.is_io() && error.reason().is_none())
}
