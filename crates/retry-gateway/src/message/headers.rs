//! Header names, list headers, and the reading of a request's host and target, which several stages of the proxy share.

use http::header::{self, Entry, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Request, Uri};

/// Returns the host that a request is for: the one of its URI if that has one (RFC 9112 section 3.2.2),
/// otherwise the one of its `Host` header.
pub(crate) fn host_of<B>(request: &Request<B>) -> Option<HeaderValue> {
    match request.uri().authority() {
        Some(authority) => {
            let host = authority.as_str().rsplit('@').next().unwrap_or_default();
            HeaderValue::from_str(host).ok()
        }
        None => request.headers().get(header::HOST).cloned(),
    }
}

/// Returns the path and query of a request, as the client sent them. The path of an absolute target may be empty before its
/// query, and means `/` then (RFC 9110 section 4.2.3), which the `:path` of HTTP/2 must say.
pub(crate) fn target(uri: &Uri) -> PathAndQuery {
    match uri.path_and_query() {
        None => PathAndQuery::from_static("/"),
        Some(target) if target.as_str().starts_with('?') => {
            PathAndQuery::try_from(format!("/{}", target.as_str())).unwrap_or_else(|_| target.clone())
        }
        Some(target) => target.clone(),
    }
}

/// Returns true if a comma-separated list, such as `Connection` or `TE`, contains this token in any case.
pub(crate) fn contains_token(value: &HeaderValue, token: &str) -> bool {
    value.to_str().is_ok_and(|value| value.split(',').any(|item| item.trim().eq_ignore_ascii_case(token)))
}

/// Appends an item to a list header, and joins the lines of that header into one.
pub(crate) fn append(headers: &mut HeaderMap, name: HeaderName, item: HeaderValue) {
    match headers.entry(name) {
        Entry::Vacant(entry) => {
            entry.insert(item);
        }
        Entry::Occupied(mut entry) => {
            let list: Vec<_> = entry.iter().chain([&item]).map(HeaderValue::as_bytes).collect();
            if let Ok(value) = HeaderValue::from_bytes(&list.join(&b", "[..])) {
                entry.insert(value);
            }
        }
    }
}

pub(crate) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(crate) const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absolute_target_outranks_the_host_header() {
        let request = |uri: &str| Request::get(uri).header("host", "header.example").body(()).unwrap();
        assert_eq!(host_of(&request("http://u:p@uri.example:81/a")).unwrap(), "uri.example:81");
        assert_eq!(host_of(&request("/a")).unwrap(), "header.example");
        assert_eq!(target(request("http://uri.example").uri()), "/");
        assert_eq!(target(request("/a?b=c").uri()), "/a?b=c");
        assert_eq!(target(request("http://uri.example?a=b").uri()), "/?a=b");
    }
}
