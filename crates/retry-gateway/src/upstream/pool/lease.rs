//! The use of a connection for one request.

use http::{HeaderMap, Response, StatusCode};
use hyper::body::Incoming;

use super::error::SendError;
use super::http1::Http1Lease;
use super::http2::Http2Lease;

/// The connection of one request, until its response body has ended.
#[derive(Debug)]
pub(super) enum Lease {
    Http1(Http1Lease),
    Http2(Http2Lease),
}

impl Lease {
    /// Reads from a response head how long the connection may be used, and checks the limits that hyper does not.
    pub(super) fn on_response(&mut self, response: &Response<Incoming>) -> Result<(), SendError> {
        match self {
            Self::Http1(lease) => {
                lease.on_response(response);
                Ok(())
            }
            Self::Http2(lease) => {
                lease.on_response();
                lease.check_head(response.headers())
            }
        }
    }

    /// Notes that the connection failed without a response. `is_reused` is set if it has served a request before.
    pub(super) fn on_failure(&mut self, error: &hyper::Error, is_reused: bool) {
        match self {
            Self::Http1(lease) if is_reused => lease.on_broken(),
            Self::Http1(_) => {}
            Self::Http2(lease) => lease.on_failure(error),
        }
    }

    /// Returns whether the endpoint has told that it does not process the request, which got no response.
    pub(super) fn is_unprocessed(&self) -> bool {
        match self {
            Self::Http1(_) => false,
            Self::Http2(lease) => lease.is_unprocessed(),
        }
    }

    /// Returns an error if trailers are more, or larger, than the configuration allows. hyper checks those of HTTP/1.1.
    pub(super) fn check_trailers(&self, trailers: &HeaderMap) -> Result<(), SendError> {
        match self {
            Self::Http1(_) => Ok(()),
            Self::Http2(lease) => lease.check_trailers(trailers),
        }
    }

    /// Returns whether a response to the request never has content, whatever its headers say. hyper knows it of HTTP/1.1.
    pub(super) fn lacks_content(&self, status: StatusCode) -> bool {
        match self {
            Self::Http1(_) => false,
            Self::Http2(lease) => lease.lacks_content(status),
        }
    }

    /// Notes that the time of the request passed before its response head.
    pub(super) fn on_timeout(&self) {
        match self {
            // The connection is closed with its lease, because it is not ready for another request.
            Self::Http1(_) => {}
            Self::Http2(lease) => lease.on_timeout(),
        }
    }

    /// Gives the connection back after the end of the response body.
    pub(super) fn release(self) {
        match self {
            Self::Http1(lease) => lease.release(),
            Self::Http2(lease) => lease.release(),
        }
    }
}
