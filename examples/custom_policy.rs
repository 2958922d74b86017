//! A policy of your own has one method that you must write. It plans the window of the next attempt.
//!
//! `cargo run --example custom_policy`

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower::{BoxError, ServiceBuilder, service_fn};
use tower_http_retry::{AttemptNumber, Plan, Policy, ReplayBody, RetryContext, RetryLayer, Window};

/// Backs off in even steps, which are shorter for callers that pay.
struct PayingFirst;

impl Policy for PayingFirst {
    fn schedule(&self, context: &RetryContext<'_>) -> Plan {
        let pays = context.attempt.request.header("x-plan") == Some("pro");
        let step = Duration::from_millis(if pays { 20 } else { 200 });
        let backoff = step * (context.backoff_step + 1);
        Window::between(backoff / 2, backoff).into()
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let server = service_fn(|request: Request<ReplayBody<Full<Bytes>>>| async move {
        let busy = AttemptNumber::from_request(&request) < 3;
        let status = if busy { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        Response::builder().status(status).body(Full::<Bytes>::default())
    });
    let client = ServiceBuilder::new().layer(RetryLayer::new(PayingFirst)).service(server);

    for plan in ["free", "pro"] {
        let request = Request::get("http://api.example/").header("x-plan", plan).body(Full::default())?;
        let start = Instant::now();
        let response = client.clone().oneshot(request).await?;
        println!("{plan}: {} after {:?}", response.status(), start.elapsed());
    }
    Ok(())
}
