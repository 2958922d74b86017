//! TLS: private keys, certificates and trusted roots.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::config::{ServerTls, UpstreamTls};

/// The root certificates of a file and its path; `None` stands for the public roots.
pub(crate) type CustomRoots = Option<(PathBuf, Vec<CertificateDer<'static>>)>;

/// Reads the file of root certificates that an upstream's certificate must chain to.
pub(crate) fn load_roots(tls: &UpstreamTls) -> anyhow::Result<CustomRoots> {
    tls.ca.as_ref().map(|path| Ok((path.clone(), certificates(path)?))).transpose()
}

/// Returns the TLS settings of connections to an upstream, whose certificate is checked against these roots. HTTP/2 is
/// negotiated, HTTP/1.1 needs no negotiation.
pub(crate) fn client_config(custom: &CustomRoots, is_http2: bool) -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    match custom {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some((path, certificates)) => {
            for certificate in certificates.iter().cloned() {
                roots
                    .add(certificate)
                    .with_context(|| format!("{}: not a valid root certificate", path.display()))?;
            }
        }
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    if is_http2 {
        config.alpn_protocols = vec![b"h2".to_vec()];
    }
    Ok(Arc::new(config))
}

/// Reads the gateway's own certificate and key, and returns the TLS settings of its listener. HTTP/2 is
/// offered before HTTP/1.1.
pub(crate) fn server_config(tls: &ServerTls) -> anyhow::Result<Arc<ServerConfig>> {
    let key = PrivateKeyDer::from_pem_file(&tls.key)
        .map_err(|error| anyhow::anyhow!("{}: not a private key: {error}", tls.key.display()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates(&tls.cert)?, key)
        .with_context(|| format!("{} and {}", tls.cert.display(), tls.key.display()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The reason for which the TLS handshake of a client failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandshakeFailure {
    /// The handshake took too long.
    Timeout,
    /// The client closed the connection.
    Closed,
    /// The client sent bytes that are no TLS, such as a request of plain HTTP.
    NotTls,
    /// The client and the gateway have no version, cipher or protocol in common.
    Incompatible,
    /// The client sent an alert, which it does if it does not trust the certificate.
    Alert,
    /// The client broke the rules of TLS, or the handshake failed in another way.
    Other,
}

impl HandshakeFailure {
    pub(crate) const ALL: [Self; 6] =
        [Self::Timeout, Self::Closed, Self::NotTls, Self::Incompatible, Self::Alert, Self::Other];

    /// Returns the reason of a handshake that ended with this error.
    pub(crate) fn from_error(error: &io::Error) -> Self {
        use rustls::Error::{AlertReceived, InvalidMessage, NoApplicationProtocol, PeerIncompatible};
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
        match (cause, error.kind()) {
            (Some(InvalidMessage(_)), _) => Self::NotTls,
            (Some(PeerIncompatible(_) | NoApplicationProtocol), _) => Self::Incompatible,
            (Some(AlertReceived(_)), _) => Self::Alert,
            (
                None,
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe,
            ) => Self::Closed,
            _ => Self::Other,
        }
    }

    /// Returns the name of the reason in logs and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::NotTls => "not_tls",
            Self::Incompatible => "incompatible",
            Self::Alert => "alert",
            Self::Other => "other",
        }
    }
}

fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read = || CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
    let certificates = read().map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
    anyhow::ensure!(!certificates.is_empty(), "{}: contains no certificate", path.display());
    Ok(certificates)
}
