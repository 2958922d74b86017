//! What a proxy changes in the heads that it passes on, and nothing else.

use std::sync::Arc;

use http::header::{self, Entry, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, Version};

use crate::connection::info::Downstream;
use crate::message::header_scan::{Found, is_of_the_way};
use crate::message::headers::{FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO, contains_token, strip};
use crate::message::upgrade::Tunnel;
use crate::message::validate::Vetted;

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
    let takes_trailers =
        found.te && headers.get_all(header::TE).iter().any(|value| contains_token(value, "trailers"));
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

#[cfg(test)]
mod tests;
