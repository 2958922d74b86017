//! A caller changes the settings for a single request.
//!
//! `cargo run --example overrides`

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use tower::{BoxError, ServiceBuilder, service_fn};
use tower_http_retry::policy::FixedDelay;
use tower_http_retry::{ExponentialBackoff, ReplayBody, RetryInfo, RetryLayer, RetryOverride};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let server = service_fn(async |_: Request<ReplayBody<Full<Bytes>>>| {
        Response::builder().status(StatusCode::BAD_GATEWAY).body(Full::<Bytes>::default())
    });
    let backoff = ExponentialBackoff::new(Duration::from_millis(10), Duration::from_secs(1));
    let client = ServiceBuilder::new().layer(RetryLayer::new(backoff)).service(server);

    let requests = [
        (Method::GET, "as the layer does", RetryOverride::new()),
        (Method::GET, "never", RetryOverride::never()),
        (Method::GET, "more often", RetryOverride::new().max_attempts(5)),
        (Method::GET, "by another policy", RetryOverride::new().policy(FixedDelay::new(Duration::ZERO))),
        (Method::GET, "while there is time", RetryOverride::new().max_elapsed(Duration::ZERO)),
        // A 502 may come from a proxy whose upstream took the order, so the layer does not resend a POST.
        (Method::POST, "as the layer does", RetryOverride::new()),
        // This caller knows that the server takes no order twice.
        (Method::POST, "idempotent", RetryOverride::new().idempotent()),
    ];
    for (method, what, overrides) in requests {
        let request = Request::builder().method(&method).uri("http://api.example/orders");
        let request = request.extension(overrides).body(Full::default())?;
        let response = client.clone().oneshot(request).await?;
        let attempts = response.extensions().get::<RetryInfo>().map_or(1, RetryInfo::attempts);
        println!("{method} {what} -> attempts: {attempts}");
    }
    Ok(())
}
