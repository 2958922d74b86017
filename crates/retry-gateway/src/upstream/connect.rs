//! The connector of an endpoint: TCP, TLS, and one timeout around both.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tower::{BoxError, ServiceExt};
use tower_http_retry::failure::ClassifiedError;

use crate::connection::buffers::{MAX_UNSENT, set_max_unsent};
use crate::upstream::idle_connections::connect_upstream;
use crate::upstream::pool::settings::ConnectionSettings;
use crate::upstream::pool::socket::Socket;

/// Opens connections to one endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    endpoint: Uri,
    tcp: HttpConnector,
    /// The TLS settings and the name that the certificate must have; `None` for plain HTTP.
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    connect_timeout: Duration,
}

impl Connector {
    /// Creates a connector to `endpoint`, whose scheme says if the connection has TLS. It connects to `address`, or
    /// without one to the addresses of the endpoint's name.
    pub(crate) fn new(
        endpoint: &Uri,
        address: Option<IpAddr>,
        settings: &ConnectionSettings,
    ) -> anyhow::Result<Self> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(settings.config.connect_timeout));
        // A host that vanishes closes nothing. Without these, a request would wait for it until its own timeout.
        if let Some(keepalive) = settings.config.tcp_keepalive {
            tcp.set_keepalive(Some(keepalive.idle));
            tcp.set_keepalive_interval(Some(keepalive.interval));
            tcp.set_keepalive_retries(Some(keepalive.probes));
        }
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(settings.config.tcp_user_timeout);
        let tls = match endpoint.scheme_str() {
            Some("https") => {
                let host = endpoint.host().unwrap_or_default().trim_matches(['[', ']']);
                Some((Arc::clone(&settings.tls), ServerName::try_from(host.to_owned())?))
            }
            _ => None,
        };
        let endpoint = match address {
            Some(address) => with_address(endpoint, address)?,
            None => endpoint.clone(),
        };
        Ok(Self { endpoint, tcp, tls, connect_timeout: settings.config.connect_timeout })
    }

    /// Opens a connection, and lets `handshake` prepare it for requests.
    ///
    /// The timeout bounds all of it, because a TCP timeout alone is not enough: a server that accepts a connection and
    /// does not answer the TLS handshake would hold a request for as long as its attempt may take.
    ///
    /// # Errors
    ///
    /// Returns an error whose kind says that no request was sent.
    pub(crate) async fn connect<T>(
        &self,
        handshake: impl AsyncFnOnce(Socket) -> Result<T, BoxError>,
    ) -> Result<T, ClassifiedError> {
        let connecting = async { handshake(self.open().await?).await };
        match tokio::time::timeout(self.connect_timeout, connecting).await {
            Ok(connection) => connection.map_err(ClassifiedError::connect),
            Err(elapsed) => Err(ClassifiedError::connect(elapsed)),
        }
    }

    /// Opens a TCP connection and closes it again. Returns whether the endpoint took it.
    pub(crate) async fn probe(&self) -> bool {
        let connecting = async {
            let _permit = connect_upstream().await.ok()?;
            self.tcp.clone().oneshot(self.endpoint.clone()).await.ok()
        };
        matches!(tokio::time::timeout(self.connect_timeout, connecting).await, Ok(Some(_)))
    }

    async fn open(&self) -> Result<Socket, BoxError> {
        let permit = connect_upstream().await?;
        let tcp = self.tcp.clone().oneshot(self.endpoint.clone()).await?.into_inner();
        set_max_unsent(&tcp, MAX_UNSENT);
        match &self.tls {
            None => Ok(Socket::tcp(tcp, permit)),
            Some((config, name)) => {
                let connector = TlsConnector::from(Arc::clone(config));
                Ok(Socket::tls(connector.connect(name.clone(), tcp).await?, permit))
            }
        }
    }
}

/// Returns a URI with this address as its host. The connector does not look up an address.
fn with_address(endpoint: &Uri, address: IpAddr) -> anyhow::Result<Uri> {
    let host = match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    let authority = match endpoint.port() {
        Some(port) => format!("{host}:{port}"),
        None => host,
    };
    let scheme = endpoint.scheme_str().unwrap_or("http");
    Ok(Uri::builder().scheme(scheme).authority(authority).path_and_query("/").build()?)
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::net::TcpListener;
    use tokio::time::Instant;
    use tower_http_retry::FailureKind;

    use super::*;
    use crate::config::ConnectionConfig;
    use crate::connection::tls;

    #[tokio::test]
    async fn a_connection_that_takes_too_long_is_a_request_that_was_never_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let settings = ConnectionSettings {
            tls: tls::client_config(&None, false).unwrap(),
            is_http2: false,
            config: ConnectionConfig {
                connect_timeout: Duration::from_millis(50),
                ..ConnectionConfig::default()
            },
        };
        let connector = Connector::new(&endpoint, None, &settings).unwrap();
        let start = Instant::now();
        let error = connector.connect(async |_| pending::<Result<(), BoxError>>().await).await.unwrap_err();
        assert!(start.elapsed() >= settings.config.connect_timeout);
        assert_eq!(error.kind(), FailureKind::NeverSent);
    }
}
