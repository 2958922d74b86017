//! Protocol upgrades, such as WebSocket: once the upstream has answered 101, the gateway only copies bytes in
//! both directions.

use std::time::Duration;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, Response, StatusCode};
use hyper::upgrade::{self, OnUpgrade};
use hyper_util::rt::TokioIo;
use tower_http_retry::RequestHead;

use crate::connection::timeouts::ActiveRequest;
use crate::message::headers::contains_token;
use crate::message::tunnel;

/// A client's request to switch to another protocol, such as WebSocket (RFC 6455).
#[derive(Debug)]
pub(crate) struct Upgrade {
    protocol: HeaderValue,
    client: OnUpgrade,
}

impl Upgrade {
    /// Takes the upgrade out of a request that asks for one (RFC 9110 section 7.8).
    pub(crate) fn from_request<B>(request: &mut Request<B>) -> Option<Self> {
        if !is_forwarded(request) {
            return None;
        }
        let protocol = request.headers().get(header::UPGRADE)?.clone();
        Some(Self { protocol, client: upgrade::on(request) })
    }

    /// Sets the headers that ask the peer for this protocol, or accept it.
    pub(crate) fn set_headers(&self, headers: &mut HeaderMap) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, self.protocol.clone());
    }

    /// Starts the tunnel if the upstream agreed, and returns `request` if it did not. The request stays
    /// active until the tunnel ends, and the tunnel holds `guards` until then.
    pub(crate) fn start_tunnel<B>(
        self,
        response: &mut Response<B>,
        request: Option<ActiveRequest>,
        guards: impl Send + 'static,
    ) -> Option<ActiveRequest> {
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return request;
        }
        self.set_headers(response.headers_mut());
        let upstream = upgrade::on(response);
        let idle_timeout = request.as_ref().map_or(Duration::MAX, ActiveRequest::tunnel_idle_timeout);
        tokio::spawn(async move {
            if let (Ok(client), Ok(upstream)) = tokio::join!(self.client, upstream) {
                tunnel::copy(TokioIo::new(client), TokioIo::new(upstream), idle_timeout).await;
            }
            drop((request, guards));
        });
        None
    }
}

/// Returns whether the gateway forwards the upgrade of a request. It forwards none to another version of HTTP: an upstream
/// that accepted one would get requests past all checks of the gateway. So a list that contains h2c is not forwarded either.
pub(crate) fn is_forwarded<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    let is_requested =
        headers.get_all(header::CONNECTION).iter().any(|value| contains_token(value, "upgrade"));
    let offers_h2c = headers.get_all(header::UPGRADE).iter().any(|value| contains_token(value, "h2c"));
    is_requested && !offers_h2c && RequestHead::from(request).is_connect_or_upgrade()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_upgrade_that_leaves_http_is_forwarded() {
        for (connection, upgrade, expected) in [
            ("upgrade", "websocket", true),
            ("keep-alive, Upgrade", "WebSocket", true),
            ("keep-alive", "websocket", false),
            ("upgrade", "h2c", false),
            ("upgrade", "h2c, websocket", false),
            ("upgrade", "HTTP/2.0", false),
            ("upgrade", "http/1.1", false),
        ] {
            let request = Request::get("/").header("connection", connection).header("upgrade", upgrade);
            assert_eq!(is_forwarded(&request.body(()).unwrap()), expected, "{connection}: {upgrade}");
        }
    }
}
