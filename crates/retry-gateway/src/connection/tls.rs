//! TLS: private keys, certificates and trusted roots.

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

/// Returns the TLS settings of connections to an upstream, whose certificate is checked against these roots.
pub(crate) fn client_config(custom: &CustomRoots) -> anyhow::Result<Arc<ClientConfig>> {
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
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
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

fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read = || CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
    let certificates = read().map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
    anyhow::ensure!(!certificates.is_empty(), "{}: contains no certificate", path.display());
    Ok(certificates)
}
