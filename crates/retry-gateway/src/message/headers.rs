//! Header names, and the rules for headers that several stages of the proxy follow.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Uri};

use crate::message::header_scan::{Found, is_for_one_connection};

/// The host that a request is for: of its URI where that has one (RFC 9112 section 3.2.2), else of its `Host`.
pub(crate) fn host_of<B>(request: &Request<B>) -> Option<HeaderValue> {
    match request.uri().authority() {
        Some(authority) => {
            let host = authority.as_str().rsplit('@').next().unwrap_or_default();
            HeaderValue::from_str(host).ok()
        }
        None => request.headers().get(header::HOST).cloned(),
    }
}

/// The path and query, as they arrived.
pub(crate) fn target(uri: &Uri) -> http::uri::PathAndQuery {
    uri.path_and_query().cloned().unwrap_or_else(|| http::uri::PathAndQuery::from_static("/"))
}

/// Returns true if a comma-separated list, such as `Connection` or `TE`, contains this token in any case.
pub(crate) fn contains_token(value: &HeaderValue, token: &str) -> bool {
    value.to_str().is_ok_and(|value| value.split(',').any(|item| item.trim().eq_ignore_ascii_case(token)))
}

/// Without the headers that are for one connection (RFC 9110 section 7.6.1), and those that it names.
pub(crate) fn strip(headers: &mut HeaderMap, found: &Found) {
    if found.hops == 0 {
        return;
    }
    if found.hops == 1
        && let Some(named) = headers.remove(header::CONNECTION)
    {
        // Most heads have none, or this one, which names no other.
        if named == "keep-alive" || named == "close" {
            return;
        }
        headers.insert(header::CONNECTION, named);
    }
    strip_all(headers);
}

fn strip_all(headers: &mut HeaderMap) {
    let named = headers.get_all(header::CONNECTION).iter();
    let named = named.flat_map(|value| value.to_str().unwrap_or_default().split(','));
    let named = named.filter_map(|name| HeaderName::try_from(name.trim()).ok());
    let mut gone: Vec<_> = named.filter(|name| !is_for_all(name.as_str())).collect();
    gone.extend(headers.keys().filter(|name| is_for_one_connection(name.as_str())).cloned());
    for name in gone {
        headers.remove(name);
    }
}

/// Nobody may name these in `Connection` (RFC 9110 section 7.6.1), and who does wants an upstream to miss what a proxy
/// or a guard has seen. They are kept, because a client that is only wrong is served all the same.
fn is_for_all(name: &str) -> bool {
    const PREFIXES: &[&str] = &["content-", "if-", "x-forwarded-"];
    const NAMES: &[&str] = &[
        "authorization",
        "cache-control",
        "cookie",
        "date",
        "early-data",
        "expect",
        "forwarded",
        "host",
        "idempotency-key",
        "location",
        "origin",
        "range",
        "retry-after",
        "set-cookie",
        "via",
        "x-real-ip",
    ];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
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
    }
}
