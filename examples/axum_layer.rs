//! The layer in front of a flaky handler of axum's: the client never sees that it failed.
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

    // This would be `axum::serve`; one request will do to see it work.
    let response = app.oneshot(Request::get("/stock").body(Body::empty())?).await?;
    let status = response.status();
    let text = response.into_body().collect().await?.to_bytes();
    println!("{status}: {}", String::from_utf8_lossy(&text));
    Ok(())
}

/// Reads what others write at the same time, and is in their way twice.
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
