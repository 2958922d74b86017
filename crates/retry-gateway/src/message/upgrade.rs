//! Upgrades: once both sides have switched protocols, the gateway only passes bytes.

use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, Response, StatusCode};
use hyper::upgrade::{self, OnUpgrade};
use hyper_util::rt::TokioIo;

use crate::connection::timeouts::Turn;
use crate::message::headers::contains_token;

/// A request to switch protocols.
#[derive(Debug)]
pub(crate) struct Tunnel {
    protocol: HeaderValue,
    client: OnUpgrade,
}

impl Tunnel {
    /// Of a request that asks for one (RFC 9110 section 7.8).
    pub(crate) fn of<B>(request: &mut Request<B>) -> Option<Self> {
        let headers = request.headers();
        let protocol = headers.get(header::UPGRADE)?.clone();
        let is_meant =
            headers.get_all(header::CONNECTION).iter().any(|value| contains_token(value, "upgrade"));
        // h2c is for this connection, and is not offered in this way. An upstream that takes it would be spoken to past
        // all that is decided here, so it goes no further among others either.
        if !is_meant || contains_token(&protocol, "h2c") {
            return None;
        }
        Some(Self { protocol, client: upgrade::on(request) })
    }

    /// Asks the upstream for the same.
    pub(crate) fn ask(&self, headers: &mut HeaderMap) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, self.protocol.clone());
    }

    /// Passes bytes both ways from now on, if the upstream agreed; the turn lasts as long then.
    pub(crate) fn open<B>(self, response: &mut Response<B>, turn: Option<Turn>) -> Option<Turn> {
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return turn;
        }
        self.ask(response.headers_mut());
        let upstream = upgrade::on(response);
        tokio::spawn(async move {
            // Whoever goes away ends it; there is nobody left to tell.
            if let (Ok(client), Ok(upstream)) = tokio::join!(self.client, upstream) {
                let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
                let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
            }
            drop(turn);
        });
        None
    }
}
