//! A client of reqwest uploads a stream, and uploads it again when the server is busy.
//!
//! `cargo run --example reqwest`

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use futures_util::stream;
use reqwest::{Body, redirect, retry};
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_http_retry::reqwest::{ReqwestExt, ReqwestService};
use tower_http_retry::{RetryInfo, RetryLayer};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = busy_server().await?;

    // The layer resends, so reqwest must not.
    let reqwest =
        reqwest::Client::builder().retry(retry::never()).redirect(redirect::Policy::none()).build()?;
    let client =
        ServiceBuilder::new().layer(RetryLayer::default()).service(ReqwestService::new(reqwest.clone()));

    // The timeout bounds each attempt.
    let lines = stream::iter(["first line\n", "second line\n"].map(Ok::<_, Infallible>));
    let request = reqwest.put(url).timeout(Duration::from_secs(5)).body(Body::wrap_stream(lines)).build()?;
    let response = client.execute(request).await?.error_for_status()?;
    if let Some(info) = response.extensions().get::<RetryInfo>() {
        println!("after {} attempts and {:?} of waiting:", info.attempts(), info.waited());
    }
    print!("{}", response.text().await?);
    Ok(())
}

/// Answers 503 and `Retry-After: 1` to the first upload, and returns the text of the others.
async fn busy_server() -> anyhow::Result<String> {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let app = Router::new().fallback(async |upload: String| {
        let busy = CALLS.fetch_add(1, Ordering::Relaxed) == 0;
        let status = if busy { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        (status, [(header::RETRY_AFTER, "1")], upload)
    });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}/", listener.local_addr()?);
    tokio::spawn(axum::serve(listener, app).into_future());
    Ok(url)
}
