//! A hyper-util client waits as long as the server asks, and resends.
//!
//! `cargo run --example hyper_client [URL]` calls that URL. Without one it calls a server of its own that is busy twice.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_http_retry::{AttemptNumber, Budget, RetryAfterFirst, RetryInfo, RetryLayer};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = match std::env::args().nth(1) {
        Some(url) => url,
        None => busy_server().await?,
    };

    let client = ServiceBuilder::new()
        .layer(
            RetryLayer::new(RetryAfterFirst::default())
                .max_attempts(4)
                .max_elapsed(Duration::from_secs(30))
                .budget(Budget::percent(20)),
        )
        .map_request(|request: Request<_>| {
            println!("attempt {}", AttemptNumber::from_request(&request));
            request
        })
        .service(Client::builder(TokioExecutor::new()).build_http());

    let request = Request::get(url).body(Full::<Bytes>::default())?;
    let response = client.oneshot(request).await.context("no answer")?;

    println!("{}", response.status());
    if let Some(info) = response.extensions().get::<RetryInfo>() {
        println!("after {} attempts and {:?} of waiting", info.attempts(), info.waited());
    }
    Ok(())
}

/// Answers 503 and `Retry-After: 1` to the first two calls.
async fn busy_server() -> anyhow::Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}/", listener.local_addr()?);
    tokio::spawn(async move {
        static CALLS: AtomicU32 = AtomicU32::new(0);
        while let Ok((socket, _)) = listener.accept().await {
            let answer = service_fn(|_| {
                let busy = CALLS.fetch_add(1, Ordering::Relaxed) < 2;
                let status = if busy { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
                let response = Response::builder().status(status).header(header::RETRY_AFTER, 1);
                std::future::ready(response.body(Full::<Bytes>::default()))
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), answer));
        }
    });
    Ok(url)
}
