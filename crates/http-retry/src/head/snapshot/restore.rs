//! Makes a head again of what was kept of it.

use bytes::Bytes;
use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, request};

use super::{HeadSnapshot, Known, Lengths, MARK, SENSITIVE, common, upper};

/// A head to send, the same as was kept.
pub(super) fn parts(kept: &HeadSnapshot) -> request::Parts {
    let (mut parts, ()) = Request::new(()).into_parts();
    // One buffer for all of it.
    let bytes = Bytes::copy_from_slice(kept.bytes());
    parts.method = kept.method.clone();
    parts.version = kept.version;
    parts.extensions = kept.extensions.clone();
    parts.uri = uri(kept.uri, &bytes);
    parts.headers = headers(kept, &bytes);
    parts
}

fn uri(lengths: Lengths, bytes: &Bytes) -> Uri {
    let [scheme, authority, target] = lengths.places();
    // They were parts of a URI before.
    if authority.is_empty() {
        return PathAndQuery::from_maybe_shared(bytes.slice(target)).map(Uri::from).unwrap_or_default();
    }
    let mut parts = Parts::default();
    if !scheme.is_empty() {
        parts.scheme = Scheme::try_from(&bytes[scheme]).ok();
        parts.path_and_query = PathAndQuery::from_maybe_shared(bytes.slice(target)).ok();
    }
    parts.authority = Authority::from_maybe_shared(bytes.slice(authority)).ok();
    Uri::from_parts(parts).unwrap_or_default()
}

/// The headers, whose lines are the last of the bytes.
fn headers(kept: &HeadSnapshot, bytes: &Bytes) -> HeaderMap {
    // More lines than a map has room for may be of a few names.
    let mut headers = HeaderMap::try_with_capacity(kept.lines as usize).unwrap_or_default();
    let mut lines = kept.lines();
    let known = Known::get();
    while let Some((number, name, value)) = lines.pieces() {
        let name = match number & MARK {
            0 => common::name(name).or_else(|| HeaderName::from_bytes(name).ok()),
            _ => known.name(upper(number)).cloned(),
        };
        // They were a name and a value before.
        let Some(name) = name else { continue };
        let end = bytes.len() - lines.0.len();
        let value = HeaderValue::from_maybe_shared(bytes.slice(end - value.len()..end));
        let Ok(mut value) = value else { continue };
        value.set_sensitive(number & SENSITIVE != 0);
        headers.append(name, value);
    }
    headers
}
