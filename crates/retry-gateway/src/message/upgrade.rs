//! Protocol upgrades, such as WebSocket: once the upstream has answered 101, the gateway only copies bytes in
//! both directions.

use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, Response, StatusCode};
use hyper::upgrade::{self, OnUpgrade};
use hyper_util::rt::TokioIo;

use crate::connection::timeouts::ActiveRequest;
use crate::message::headers::contains_token;

/// A client's request to switch to another protocol, such as WebSocket (RFC 6455).
#[derive(Debug)]
pub(crate) struct Upgrade {
    protocol: HeaderValue,
    client: OnUpgrade,
}

impl Upgrade {
    /// Takes the upgrade out of a request that asks for one (RFC 9110 section 7.8).
    pub(crate) fn from_request<B>(request: &mut Request<B>) -> Option<Self> {
        let headers = request.headers();
        let protocol = headers.get(header::UPGRADE)?.clone();
        let is_requested =
            headers.get_all(header::CONNECTION).iter().any(|value| contains_token(value, "upgrade"));
        // h2c concerns this connection only, and the gateway does not offer it as an upgrade. An upstream
        // that accepted it would get requests past all checks of the gateway, so a list that contains h2c is
        // not forwarded either.
        if !is_requested || contains_token(&protocol, "h2c") {
            return None;
        }
        Some(Self { protocol, client: upgrade::on(request) })
    }

    /// Sets the headers that ask the peer for this protocol, or accept it.
    pub(crate) fn set_headers(&self, headers: &mut HeaderMap) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, self.protocol.clone());
    }

    /// Starts the tunnel if the upstream agreed, and returns `request` if it did not. The request stays
    /// active until the tunnel ends.
    pub(crate) fn start_tunnel<B>(
        self,
        response: &mut Response<B>,
        request: Option<ActiveRequest>,
    ) -> Option<ActiveRequest> {
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return request;
        }
        self.set_headers(response.headers_mut());
        let upstream = upgrade::on(response);
        tokio::spawn(async move {
            // The tunnel ends when either peer disconnects, and then there is no request left to report the
            // error on.
            if let (Ok(client), Ok(upstream)) = tokio::join!(self.client, upstream) {
                let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
                let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
            }
            drop(request);
        });
        None
    }
}
