//! Rebuilds a request head from its snapshot.

use bytes::Bytes;
use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, request};

use super::{HeadSnapshot, SENSITIVE, STANDARD_NAME, StandardNames, UriLengths, common, high_bits};

/// Returns a head that equals the one that was saved.
pub(super) fn parts(snapshot: &HeadSnapshot) -> request::Parts {
    let (mut parts, ()) = Request::new(()).into_parts();
    // The URI and all values share this one buffer.
    let bytes = Bytes::copy_from_slice(snapshot.bytes());
    parts.method = snapshot.method.clone();
    parts.version = snapshot.version;
    parts.extensions = snapshot.extensions.clone();
    parts.uri = uri(snapshot.uri, &bytes);
    parts.headers = headers(snapshot, &bytes);
    parts
}

fn uri(lengths: UriLengths, bytes: &Bytes) -> Uri {
    let [scheme, authority, target] = lengths.ranges();
    // The parts come from a valid URI, so no conversion below fails.
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

/// Returns the headers. Their lines are at the end of `bytes`.
fn headers(snapshot: &HeadSnapshot, bytes: &Bytes) -> HeaderMap {
    // A head may have more lines than a map may have names, if names repeat.
    let mut headers = HeaderMap::try_with_capacity(snapshot.lines as usize).unwrap_or_default();
    let mut lines = snapshot.lines();
    let standard_names = StandardNames::get();
    while let Some((prefix, name, value)) = lines.pieces() {
        let name = match prefix & STANDARD_NAME {
            0 => common::name(name).or_else(|| HeaderName::from_bytes(name).ok()),
            _ => standard_names.name(high_bits(prefix)).cloned(),
        };
        // The line comes from a valid name and a valid value, so both conversions succeed.
        let Some(name) = name else { continue };
        let end = bytes.len() - lines.0.len();
        let value = HeaderValue::from_maybe_shared(bytes.slice(end - value.len()..end));
        let Ok(mut value) = value else { continue };
        value.set_sensitive(prefix & SENSITIVE != 0);
        headers.append(name, value);
    }
    headers
}
