//! Makes endpoints, of the addresses in the configuration and of the addresses that a look-up of a name finds.

use std::net::IpAddr;
use std::sync::Arc;

use http::Uri;

use crate::config::PaceConfig;
use crate::upstream::endpoint::Endpoint;
use crate::upstream::fleet::UpstreamFleet;
use crate::upstream::outlier::OutlierDetector;
use crate::upstream::pace::new_pace;
use crate::upstream::pool::settings::ConnectionSettings;

/// Makes the endpoints of one upstream.
#[derive(Debug)]
pub(crate) struct EndpointFactory {
    pub(crate) connections: ConnectionSettings,
    /// Set if each endpoint has a pace of its own.
    pub(crate) pace: Option<PaceConfig>,
    pub(crate) fleet: Option<UpstreamFleet>,
    pub(crate) outliers: Option<Arc<OutlierDetector>>,
}

impl EndpointFactory {
    /// Creates an endpoint. Without an `address`, each of its connections looks up the host of `uri`.
    pub(crate) fn create(&self, uri: &Uri, address: Option<IpAddr>) -> anyhow::Result<Arc<Endpoint>> {
        let name = Endpoint::name_of(uri, address);
        let pace = self
            .pace
            .as_ref()
            .map(|config| UpstreamFleet::pace(self.fleet.as_ref(), Some(&name), new_pace(config)));
        Endpoint::new(uri, address, &self.connections, pace, self.outliers.as_ref()).map(Arc::new)
    }
}
