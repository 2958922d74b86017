//! The changes that a proxy makes to the heads that it forwards: hop-by-hop headers out, forwarding headers
//! in.

use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, Response, StatusCode, Version};

use crate::connection::info::ConnectionInfo;
use crate::message::header_scan::{HeaderScan, is_forwarding_header};
use crate::message::headers::{FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO, append, contains_token};
use crate::message::hop_by_hop;
use crate::message::loop_detection;
use crate::message::upgrade::Upgrade;
use crate::message::validate::ValidRequest;

/// The facts of a request whose head can be forwarded, which the later stages need.
#[derive(Debug)]
pub(crate) struct ForwardedRequest {
    /// The forwarding headers, which each attempt gets.
    pub(crate) forwarding: ForwardingHeaders,
    /// The protocol switch that the client asks for.
    pub(crate) upgrade: Option<Upgrade>,
    pub(crate) wishes: ClientWishes,
}

/// The parts of a request's head that each attempt must know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientWishes {
    /// The client sent `Expect: 100-continue`, and waits for that before it sends the body.
    pub(crate) expects_continue: bool,
    /// The client asks for another protocol, by `Upgrade`.
    pub(crate) is_upgrade: bool,
}

/// Makes the head of a client's request one that can be forwarded. It removes the hop-by-hop headers, and the
/// forwarding headers of a client that is not a trusted proxy.
pub(crate) fn request<B>(
    request: &mut Request<B>,
    valid: ValidRequest,
    connection: &Arc<ConnectionInfo>,
) -> ForwardedRequest {
    let ValidRequest { scan, host } = valid;
    let is_http10 = request.version() == Version::HTTP_10;
    let upgrade = if scan.upgrade { Upgrade::from_request(request) } else { None };
    let headers = request.headers_mut();
    let takes_trailers =
        scan.te && headers.get_all(header::TE).iter().any(|value| contains_token(value, "trailers"));
    hop_by_hop::remove(headers, &scan);
    if scan.expect && is_http10 {
        // HTTP/1.0 clients do not support 100-continue (RFC 9110 section 10.1.1).
        headers.remove(header::EXPECT);
    }
    if takes_trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    if scan.cookies > 1 {
        join_cookies(headers);
    }
    if scan.forwarding && !connection.is_trusted() {
        remove_forwarding_headers(headers);
    }
    if let Some(upgrade) = &upgrade {
        upgrade.set_headers(headers);
    }
    let appends = scan.forwarding && connection.is_trusted();
    let forwarding =
        ForwardingHeaders { connection: Arc::clone(connection), host, appends, has_cdn_loop: scan.cdn_loop };
    let wishes = ClientWishes { expects_continue: scan.expect, is_upgrade: upgrade.is_some() };
    ForwardedRequest { forwarding, upgrade, wishes }
}

/// Makes the head of an upstream's response one that can be sent to the client.
pub(crate) fn response<B>(response: &mut Response<B>) {
    let scan = HeaderScan::of_response(response.headers());
    let has_no_content = response.status() == StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    hop_by_hop::remove(headers, &scan);
    if has_no_content {
        // RFC 9110 section 8.6 forbids a length here, and some servers say 0.
        headers.remove(header::CONTENT_LENGTH);
    } else if scan.content_length_list {
        keep_one_length(headers);
    }
}

/// Replaces a `Content-Length` that says the same number several times by that number (RFC 9110 section 8.6), because
/// not every client reads a list. hyper has compared the numbers.
fn keep_one_length(headers: &mut HeaderMap) {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|list| {
        let length = list.as_bytes().split(|byte| *byte == b',').next()?;
        HeaderValue::from_bytes(length.trim_ascii()).ok()
    });
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, length);
    }
}

/// Removes forwarding headers, which a client that is not a trusted proxy may have made up.
fn remove_forwarding_headers(headers: &mut HeaderMap) {
    let names: Vec<_> = headers.keys().filter(|name| is_forwarding_header(name.as_str())).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// Joins several `Cookie` lines into one: HTTP/2 may split them, and HTTP/1.1 may not (RFC 9113 section
/// 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let lines: Vec<_> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(cookie) = HeaderValue::from_bytes(&lines.join(&b"; "[..])) {
        headers.insert(header::COOKIE, cookie);
    }
}

/// The forwarding headers of a request, which tell each upstream where it came from.
#[derive(Clone, Debug)]
pub(crate) struct ForwardingHeaders {
    connection: Arc<ConnectionInfo>,
    host: Option<HeaderValue>,
    /// A trusted proxy sent forwarding headers, to which the gateway appends its own.
    appends: bool,
    /// The request has passed another CDN or proxy that marks its requests, or this gateway.
    has_cdn_loop: bool,
}

impl ForwardingHeaders {
    /// Adds `X-Forwarded-*` and `Forwarded` (RFC 7239), and the mark by which a loop is detected.
    pub(crate) fn add_to(&self, headers: &mut HeaderMap) {
        let Self { connection, host, appends, has_cdn_loop } = self;
        // One reservation covers the headers that are added here and at the endpoint.
        headers.reserve(6);
        loop_detection::mark(headers, !has_cdn_loop);
        let [ip, scheme] =
            [connection.forwarded_for().clone(), HeaderValue::from_static(connection.scheme())];
        let forwarded = connection.forwarded(host.as_ref());
        if *appends {
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

#[cfg(test)]
mod tests;
