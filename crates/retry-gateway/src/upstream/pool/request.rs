//! The requests that a pool sends.

use std::pin::Pin;

use http::{HeaderValue, Method, Request, Response, header};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use tower_http_retry::ReplayBody;

use crate::upstream::expect_continue::DeferredBody;
use crate::upstream::request_body::RequestBody;

/// The body of a request to an endpoint.
pub(super) type EndpointBody = DeferredBody<ReplayBody<RequestBody>>;

/// A request whose URI and `Host` are those of an endpoint.
pub(crate) type EndpointRequest = Request<EndpointBody>;

/// The response to a request that was handed to a connection. hyper's future has no name, so it is boxed.
pub(super) type ConnectionFuture =
    Pin<Box<dyn Future<Output = Result<Response<Incoming>, TrySendError<EndpointRequest>>> + Send>>;

/// Announces a body of unknown length. hyper does so itself, except for methods that rarely have a body, whose
/// body it would leave out (RFC 9112 section 6.1).
pub(super) fn set_framing<B: Body>(request: &mut Request<B>) {
    let rarely_has_body = matches!(*request.method(), Method::GET | Method::HEAD | Method::CONNECT);
    if rarely_has_body && !request.body().is_end_stream() && request.body().size_hint().exact().is_none() {
        let chunked = HeaderValue::from_static("chunked");
        request.headers_mut().insert(header::TRANSFER_ENCODING, chunked);
    }
}
