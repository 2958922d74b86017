//! Counters of the `metrics` crate, fed by the layer's hook, and printed as Prometheus reads them.
//!
//! `cargo run --example metrics`

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use metrics::counter;
use metrics_exporter_prometheus::PrometheusBuilder;
use tower::{BoxError, ServiceBuilder, service_fn};
use tower_http_retry::observe::Event;
use tower_http_retry::{AttemptNumber, ReplayBody, RetryLayer};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let prometheus = PrometheusBuilder::new().install_recorder()?;

    // The server is busy the first time that it sees a request.
    let server = service_fn(async |request: Request<ReplayBody<Full<Bytes>>>| {
        let busy = AttemptNumber::from_request(&request) == 1;
        let status = if busy { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        Response::builder().status(status).body(Full::<Bytes>::default())
    });
    let client = ServiceBuilder::new().layer(RetryLayer::default().observe(record)).service(server);

    for request in [Request::get("http://api.example/"), Request::post("http://api.example/orders")] {
        client.clone().oneshot(request.body(Full::default())?).await?;
    }
    let mut lines: Vec<_> = prometheus.render().lines().map(str::to_owned).collect();
    lines.retain(|line| !line.starts_with('#') && !line.is_empty());
    lines.sort();
    lines.iter().for_each(|line| println!("{line}"));
    Ok(())
}

/// Counts resends by their cause, and requests by the reason for which the layer gave up or did not retry.
fn record(event: &Event<'_>) {
    match event {
        Event::WillResend { cause, .. } => {
            counter!("http_resends_total", "cause" => cause.as_str()).increment(1)
        }
        Event::Finished { reason, .. } => {
            let reason = reason.map_or("none", |reason| reason.as_str());
            counter!("http_requests_total", "gave_up" => reason).increment(1);
        }
        _ => {}
    }
}
