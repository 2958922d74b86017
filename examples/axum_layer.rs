//! The layer stands in front of a handler of axum that fails twice. The client never sees a failure.
//!
//! `cargo run --example axum_layer`

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::{Router, routing::get};
use http_body_util::BodyExt;
use tower::ServiceExt;
use tower_http_retry::{ExponentialBackoff, Policy, RetryLayer};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let backoff = ExponentialBackoff::new(Duration::from_millis(10), Duration::from_secs(1));
    let policy = backoff.retry_on(StatusCode::CONFLICT);
    let app = Router::new().route("/stock", get(stock)).layer(RetryLayer::new(policy));

    // A server would call `axum::serve`. One request is enough to see the layer work.
    let response = app.oneshot(Request::get("/stock").body(Body::empty())?).await?;
    let status = response.status();
    let text = response.into_body().collect().await?.to_bytes();
    println!("{status}: {}", String::from_utf8_lossy(&text));
    Ok(())
}

/// Reads the stock, and conflicts with a writer twice.
async fn stock() -> Result<&'static str, StatusCode> {
    static READS: AtomicU32 = AtomicU32::new(0);
    match READS.fetch_add(1, Ordering::Relaxed) + 1 {
        3 => Ok("42 in stock"),
        read => {
            println!("read {read}: conflict");
            Err(StatusCode::CONFLICT)
        }
    }
}
