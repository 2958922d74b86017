//! The settings of the connections to an upstream's endpoints.

use std::sync::Arc;

use rustls::ClientConfig;

use crate::config::ConnectionConfig;

/// The settings of the connections to an upstream's endpoints.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionSettings {
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) is_http2: bool,
    pub(crate) config: ConnectionConfig,
}
