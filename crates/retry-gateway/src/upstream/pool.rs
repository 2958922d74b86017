//! The connections to one endpoint.
//!
//! A request takes a connection of its own (HTTP/1.1) or a stream of a shared one (HTTP/2). It keeps it as a lease
//! until its response body has ended.

mod body;
pub(crate) mod error;
mod goaway;
mod http1;
mod http2;
mod idle;
mod keep_alive;
mod lease;
mod request;
mod send;
pub(crate) mod settings;
pub(crate) mod socket;
mod sweep;

use std::net::IpAddr;
use std::sync::{Arc, Weak};

use http::Uri;
use tokio::time::Instant;

pub(crate) use self::body::PooledBody;
use self::http1::Http1Pool;
use self::http2::Http2Pool;
pub(crate) use self::request::EndpointRequest;
pub(crate) use self::send::SendFuture;
use self::settings::ConnectionSettings;
use crate::connection::request_limit::RequestPermit;
use crate::upstream::connect::Connector;
use crate::upstream::idle_connections::{self, IdleConnections};

/// The connections to one endpoint.
#[derive(Debug)]
pub(crate) enum Pool {
    Http1(Arc<Http1Pool>),
    Http2(Arc<Http2Pool>),
}

impl Pool {
    /// Creates a pool without connections. They go to `address`, or to the addresses of the endpoint's name.
    pub(crate) fn new(
        endpoint: &Uri,
        address: Option<IpAddr>,
        settings: &ConnectionSettings,
    ) -> anyhow::Result<Self> {
        let connector = Connector::new(endpoint, address, settings)?;
        Ok(match settings.is_http2 {
            true => {
                let pool = Arc::new(Http2Pool::new(connector, &settings.config));
                idle_connections::register(Arc::downgrade(&pool) as Weak<dyn IdleConnections>);
                Self::Http2(pool)
            }
            false => {
                let pool = Arc::new(Http1Pool::new(connector, &settings.config));
                idle_connections::register(Arc::downgrade(&pool) as Weak<dyn IdleConnections>);
                Self::Http1(pool)
            }
        })
    }

    /// Opens a TCP connection and closes it again. Returns whether the endpoint took it.
    pub(crate) async fn probe(&self) -> bool {
        match self {
            Self::Http1(pool) => pool.connector.probe().await,
            Self::Http2(pool) => pool.connector.probe().await,
        }
    }

    /// Sends a request. Its URI is in origin form for HTTP/1.1, and absolute for HTTP/2. A request that has to wait for
    /// its connection gives `permit` back, and takes another one when it has the connection. `now` may be a moment ago.
    pub(crate) fn send(&self, request: EndpointRequest, permit: RequestPermit, now: Instant) -> SendFuture {
        match self {
            Self::Http1(pool) => SendFuture::http1(pool, request, permit, now),
            Self::Http2(pool) => SendFuture::http2(pool, request, permit),
        }
    }
}
