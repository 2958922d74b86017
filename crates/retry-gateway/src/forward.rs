//! What a proxy changes in the heads that it passes on, and nothing else.

use std::sync::Arc;

use http::header::{self, Entry, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, Uri, Version};

use crate::downstream::Downstream;
use crate::found::{Found, is_for_one_connection, is_of_the_way};
use crate::tunnel::Tunnel;
use crate::vet::Vetted;

/// What is left to do about a request that can be sent on.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) origin: Origin,
    /// What it asks to switch to.
    pub(crate) tunnel: Option<Tunnel>,
    /// Whether its client waits to be asked for the body.
    pub(crate) expects: bool,
}

/// Makes a request that arrived here one that can be sent on: without what was meant for this connection alone, and
/// without what somebody who is not trusted says of where it came from.
pub(crate) fn request<B>(request: &mut Request<B>, vetted: Vetted, downstream: &Arc<Downstream>) -> Arrived {
    let Vetted { found, host } = vetted;
    let is_http10 = request.version() == Version::HTTP_10;
    let tunnel = if found.upgrade { Tunnel::of(request) } else { None };
    let headers = request.headers_mut();
    let takes_trailers = found.te && headers.get_all(header::TE).iter().any(|value| says(value, "trailers"));
    strip(headers, &found);
    if found.expect && is_http10 {
        // Who speaks that cannot be asked (RFC 9110 section 10.1.1).
        headers.remove(header::EXPECT);
    }
    if takes_trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    if found.cookies > 1 {
        join_cookies(headers);
    }
    if found.way && !downstream.is_trusted() {
        forget_way(headers);
    }
    if let Some(tunnel) = &tunnel {
        tunnel.ask(headers);
    }
    let is_told = found.way && downstream.is_trusted();
    let origin = Origin { downstream: Arc::clone(downstream), host, is_told };
    Arrived { origin, tunnel, expects: found.expect }
}

/// Makes a response of an upstream one that can be sent to the client.
pub(crate) fn response<B>(response: &mut Response<B>) {
    let found = Found::of(response.headers());
    strip(response.headers_mut(), &found);
}

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

/// Without the headers that are for one connection (RFC 9110 section 7.6.1), and those that it names.
fn strip(headers: &mut HeaderMap, found: &Found) {
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

/// A peer that is not trusted may have made it up.
fn forget_way(headers: &mut HeaderMap) {
    let told: Vec<_> = headers.keys().filter(|name| is_of_the_way(name.as_str())).cloned().collect();
    for name in told {
        headers.remove(name);
    }
}

/// HTTP/2 may split them, and HTTP/1.1 may not (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let crumbs: Vec<_> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(cookie) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(header::COOKIE, cookie);
    }
}

pub(crate) fn says(value: &HeaderValue, word: &str) -> bool {
    value.to_str().is_ok_and(|value| value.split(',').any(|item| item.trim().eq_ignore_ascii_case(word)))
}

/// Where a request came from, as each upstream is told that it is sent to.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    downstream: Arc<Downstream>,
    host: Option<HeaderValue>,
    /// Whether somebody who is trusted has begun.
    is_told: bool,
}

impl Origin {
    /// `X-Forwarded-*`, and `Forwarded` (RFC 7239).
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        let Self { downstream, host, is_told } = self;
        // What is added here, and at the endpoint, at once.
        headers.reserve(5);
        let [ip, scheme] =
            [downstream.forwarded_for().clone(), HeaderValue::from_static(downstream.scheme())];
        let forwarded = downstream.forwarded(host.as_ref());
        if *is_told {
            append(headers, FORWARDED_FOR, ip);
            headers.entry(FORWARDED_PROTO).or_insert(scheme);
            append(headers, header::FORWARDED, forwarded);
            if let Some(host) = host {
                headers.entry(FORWARDED_HOST).or_insert(host.clone());
            }
            return;
        }
        headers.insert(FORWARDED_FOR, ip);
        headers.insert(FORWARDED_PROTO, scheme);
        headers.insert(header::FORWARDED, forwarded);
        if let Some(host) = host {
            headers.insert(FORWARDED_HOST, host.clone());
        }
    }
}

/// One list in one line.
fn append(headers: &mut HeaderMap, name: HeaderName, item: HeaderValue) {
    match headers.entry(name) {
        Entry::Vacant(none) => {
            none.insert(item);
        }
        Entry::Occupied(mut known) => {
            let list: Vec<_> = known.iter().chain([&item]).map(HeaderValue::as_bytes).collect();
            if let Ok(value) = HeaderValue::from_bytes(&list.join(&b", "[..])) {
                known.insert(value);
            }
        }
    }
}

pub(crate) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

#[cfg(test)]
mod tests;
