//! Calls by tonic.

use std::sync::LazyLock;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tonic::metadata::MetadataValue;
use tonic::transport::Endpoint;
use tonic::{Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::process::Gateway;

pub(super) static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime"));

/// What a unary call comes to.
pub(super) fn check_health(gateway: &Gateway) -> Result<(), Status> {
    check_health_with(gateway, &[], None)
}

/// The same, with metadata and with a timeout.
pub(super) fn check_health_with(
    gateway: &Gateway,
    metadata: &[(&'static str, &'static str)],
    timeout: Option<Duration>,
) -> Result<(), Status> {
    let mut request = Request::new(HealthCheckRequest { service: "it".into() });
    for (name, value) in metadata {
        request.metadata_mut().insert(*name, MetadataValue::from_static(value));
    }
    if let Some(timeout) = timeout {
        request.set_timeout(timeout);
    }
    RUNTIME.block_on(async {
        let response = client(gateway).check(request).await?;
        assert_eq!(response.into_inner().status, 1);
        Ok(())
    })
}

pub(super) fn client(gateway: &Gateway) -> HealthClient<tonic::transport::Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{}", gateway.address)).unwrap();
    HealthClient::new(endpoint.connect_lazy())
}
