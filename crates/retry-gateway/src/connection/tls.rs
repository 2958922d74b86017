//! Keys, certificates, and whom to trust.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::config::{ServerTls, UpstreamTls};

/// The roots of a file; `None` for the public ones.
pub(crate) type Trusted = Option<(PathBuf, Vec<CertificateDer<'static>>)>;

/// Whom an upstream's certificate must come from, as its file says now.
pub(crate) fn trusted(tls: &UpstreamTls) -> anyhow::Result<Trusted> {
    tls.ca.as_ref().map(|path| Ok((path.clone(), certificates(path)?))).transpose()
}

/// What an upstream's certificate is checked against: the public roots, or those of a file.
pub(crate) fn client(trusted: &Trusted) -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    match trusted {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some((path, certificates)) => {
            for certificate in certificates.iter().cloned() {
                roots.add(certificate).with_context(|| format!("{}: no root to trust", path.display()))?;
            }
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// What the gateway proves its own name with. HTTP/2 is offered first.
pub(crate) fn server(tls: &ServerTls) -> anyhow::Result<Arc<ServerConfig>> {
    let key = PrivateKeyDer::from_pem_file(&tls.key)
        .map_err(|error| anyhow::anyhow!("{}: no private key: {error}", tls.key.display()))?;
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
    anyhow::ensure!(!certificates.is_empty(), "{}: there is no certificate in it", path.display());
    Ok(certificates)
}
