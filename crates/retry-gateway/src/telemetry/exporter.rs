//! The export of spans, configured by OpenTelemetry's environment variables.

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

/// Sends the spans of this process to a collector, by OTLP over HTTP.
#[derive(Debug)]
pub struct Exporter(SdkTracerProvider);

impl Exporter {
    /// Starts the export if `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` names a collector, and
    /// returns `None` otherwise. The caller calls it once, on the runtime that will send the spans.
    pub fn from_env() -> anyhow::Result<Option<Self>> {
        let variable = |name: &str| env::var(name).unwrap_or_default();
        let is_disabled = variable("OTEL_SDK_DISABLED").eq_ignore_ascii_case("true")
            || variable("OTEL_TRACES_EXPORTER") == "none";
        let has_endpoint = ENDPOINTS.iter().any(|name| !variable(name).is_empty());
        if is_disabled || !has_endpoint {
            return Ok(None);
        }
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector::new()?)
            // This build contains no other protocol, whichever one the environment names.
            .with_protocol(Protocol::HttpBinary)
            .build()
            .context("cannot export spans")?;
        // A name from the environment replaces the default one.
        let resource = Resource::builder()
            .with_attributes([
                KeyValue::new("service.name", env!("CARGO_PKG_NAME")),
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            ])
            .with_detector(Box::new(EnvResourceDetector::new()));
        let resource = match variable("OTEL_SERVICE_NAME") {
            name if name.is_empty() => resource,
            name => resource.with_service_name(name),
        };
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build())
            .build();
        // A second call has no effect: the first tracer stays in use.
        let _ = TRACER.set(provider.tracer(env!("CARGO_PKG_NAME")));
        Ok(Some(Self(provider)))
    }

    /// Sends the spans that are still buffered.
    pub async fn finish(self) {
        let (done, finished) = oneshot::channel();
        // The shutdown blocks until the collector has answered. `spawn_blocking` would hold up the end of the runtime,
        // which waits for its blocking tasks.
        thread::spawn(move || {
            let _ = self.0.shutdown_with_timeout(SHUTDOWN_TIMEOUT);
            let _ = done.send(());
        });
        let _ = finished.await;
    }
}

/// Returns the tracer, or `None` if the gateway exports no spans.
pub(super) fn tracer() -> Option<&'static SdkTracer> {
    TRACER.get()
}

static TRACER: OnceLock<SdkTracer> = OnceLock::new();
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
/// The longest time that the last export may take at shutdown.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
