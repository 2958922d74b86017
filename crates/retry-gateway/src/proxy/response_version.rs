//! The version of a response, and how its client learns of the end.

use http::{HeaderValue, Response, Version, header};
use http_body::Body;

use crate::connection::timeouts::ActiveRequest;
use crate::upstream::response_body::UpstreamBody;

/// Sets the version of an upstream's response to that of a client with HTTP/1.1 or HTTP/1.0, whatever the upstream
/// speaks (RFC 9110 section 2.5), and says if the connection closes after it.
///
/// hyper promises `keep-alive` to a client with HTTP/1.0 that asks for it, unless the response is one of HTTP/1.0
/// itself. The promise could not be kept for a body whose end only the close of the connection tells.
pub(super) fn set_version(
    response: &mut Response<UpstreamBody>,
    client: Version,
    has_unread_body: bool,
    active_request: Option<&ActiveRequest>,
) {
    // The client may send its body after this response, so hyper closes the connection. A response to an upload that was
    // not refused may go on beside it.
    let is_refusal = response.status().as_u16() >= 300;
    let is_early = response.body().is_early() || has_unread_body && is_refusal;
    let has_length =
        || response.headers().contains_key(header::CONTENT_LENGTH) || response.body().is_end_stream();
    let is_close_delimited = client != Version::HTTP_11 && !has_length();
    let is_chunked = client == Version::HTTP_11 && !has_length();
    let version = match client {
        Version::HTTP_11 => Version::HTTP_11,
        _ if !is_early && has_length() => Version::HTTP_11,
        _ => Version::HTTP_10,
    };
    *response.version_mut() = version;
    if is_chunked {
        response.body_mut().set_chunked();
    }
    if let (Some(active_request), true) = (active_request, client != Version::HTTP_11) {
        active_request.set_close_delimited(is_close_delimited);
    }
    if client == Version::HTTP_11 && is_early {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}
