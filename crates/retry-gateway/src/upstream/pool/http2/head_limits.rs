//! The limits of the lines that an endpoint sends over HTTP/2.

use http::HeaderMap;

use crate::config::ConnectionConfig;
use crate::upstream::pool::error::SendError;

/// Returns an error if the head of a response has more lines or bytes than the configuration allows.
pub(super) fn check_head(config: &ConnectionConfig, headers: &HeaderMap) -> Result<(), SendError> {
    let is_too_large =
        headers.len() > config.max_response_headers || size_of(headers) > config.max_response_header_bytes;
    if is_too_large { Err(SendError::head_too_large("more than the configuration allows")) } else { Ok(()) }
}

/// Returns an error if trailers have more lines or bytes than the configuration allows. h2 drops a line that is
/// above its own limit, so a server that sends trailers has sent more than none.
pub(super) fn check_trailers(config: &ConnectionConfig, trailers: &HeaderMap) -> Result<(), SendError> {
    match trailers.is_empty() {
        true => Err(SendError::head_too_large("more than can be read")),
        false => check_head(config, trailers),
    }
}

/// Returns the size of header lines, with a colon, a blank and the end of each line.
fn size_of(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}
