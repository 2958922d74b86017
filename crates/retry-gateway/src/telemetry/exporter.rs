//! Whether spans are made and where they go, as OpenTelemetry's environment variables say.

use std::env;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::EnvResourceDetector;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tokio::sync::oneshot;

use crate::telemetry::collector::Collector;

/// What sends the spans of this process to a collector, by OTLP over HTTP.
#[derive(Debug)]
pub struct Exporter(SdkTracerProvider);

impl Exporter {
    /// Has spans made from now on if `OTEL_EXPORTER_OTLP_ENDPOINT`, or the same for traces, names a collector;
    /// otherwise `None`. It is called on the runtime that is to send them, and once.
    pub fn from_env() -> anyhow::Result<Option<Self>> {
        let says = |name: &str| env::var(name).unwrap_or_default();
        let is_off =
            says("OTEL_SDK_DISABLED").eq_ignore_ascii_case("true") || says("OTEL_TRACES_EXPORTER") == "none";
        let has_endpoint = ENDPOINTS.iter().any(|name| !says(name).is_empty());
        if is_off || !has_endpoint {
            return Ok(None);
        }
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector::new()?)
            // The only one that is built in, whatever the environment asks for.
            .with_protocol(Protocol::HttpBinary)
            .build()
            .context("spans cannot be exported")?;
        // A name of the environment outranks ours.
        let resource = Resource::builder()
            .with_attributes([
                KeyValue::new("service.name", env!("CARGO_PKG_NAME")),
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            ])
            .with_detector(Box::new(EnvResourceDetector::new()));
        let resource = match says("OTEL_SERVICE_NAME") {
            name if name.is_empty() => resource,
            name => resource.with_service_name(name),
        };
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build())
            .build();
        // Of a second one, the first goes on.
        let _ = TRACER.set(provider.tracer(env!("CARGO_PKG_NAME")));
        Ok(Some(Self(provider)))
    }

    /// Sends what was not sent yet.
    pub async fn finish(self) {
        let (done, finished) = oneshot::channel();
        // It blocks until the collector has answered. Not `spawn_blocking`, which a runtime that ends waits for.
        thread::spawn(move || {
            let _ = self.0.shutdown_with_timeout(LAST);
            let _ = done.send(());
        });
        let _ = finished.await;
    }
}

/// `None` where no spans are made.
pub(super) fn tracer() -> Option<&'static SdkTracer> {
    TRACER.get()
}

static TRACER: OnceLock<SdkTracer> = OnceLock::new();
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
/// How long the collector may take at the end.
const LAST: Duration = Duration::from_secs(5);
