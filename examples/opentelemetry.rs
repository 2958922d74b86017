//! OpenTelemetry shows the attempts of a request: a span for its session, and one for each resend.
//!
//! `cargo run --example opentelemetry`

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanId, TracerProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tower::{BoxError, ServiceBuilder, service_fn};
use tower_http_retry::{AttemptNumber, ReplayBody, RetryLayer};
use tracing::{Instrument, info_span};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    // A real program would take an exporter of `opentelemetry-otlp`.
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let tracer = provider.tracer("example");
    let layer = tracing_opentelemetry::layer().with_tracer(tracer).with_threads(false);
    let layer = layer.with_location(false).with_tracked_inactivity(false);
    tracing_subscriber::registry().with(layer).init();

    let server = service_fn(async |request: Request<ReplayBody<Full<Bytes>>>| {
        let busy = AttemptNumber::from_request(&request) < 3;
        let status = if busy { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        Response::builder().status(status).body(Full::<Bytes>::default())
    });
    let client = ServiceBuilder::new().layer(RetryLayer::default()).service(server);
    let request = Request::get("http://api.example/").body(Full::default())?;
    client.oneshot(request).instrument(info_span!("page")).await?;

    print(&exporter.get_finished_spans()?, SpanId::INVALID, 0);
    Ok(())
}

/// Prints the spans below `parent`, with their attributes and events.
fn print(spans: &[SpanData], parent: SpanId, depth: usize) {
    let show = |attributes: &[KeyValue]| -> String {
        let shown = attributes.iter().filter(|pair| !["level", "target"].contains(&pair.key.as_str()));
        shown.map(|pair| format!(" {}={}", pair.key, pair.value)).collect()
    };
    for span in spans.iter().filter(|span| span.parent_span_id == parent) {
        println!("{:depth$}{}{}", "", span.name, show(&span.attributes));
        for event in &span.events.events {
            println!("{:depth$}- {}{}", "", event.name, show(&event.attributes));
        }
        print(spans, span.span_context.span_id(), depth + 2);
    }
}
