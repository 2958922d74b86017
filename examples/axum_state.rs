//! An axum service calls another service, through a client in its state that resends.
//!
//! `cargo run --example axum_state`

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::response::IntoResponse;
use axum::{Router, routing::get};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tower::{Layer, ServiceExt};
use tower_http_retry::{ReplayBody, Retry, RetryLayer};

/// The state that the handlers share.
#[derive(Clone)]
struct App {
    client: Retry<Client<HttpConnector, ReplayBody<Empty<Bytes>>>>,
    weather: SocketAddr,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let app = App { client: RetryLayer::default().layer(client), weather: weather_server().await? };
    let app = Router::new().route("/umbrella", get(umbrella)).with_state(app);

    // A server would call `axum::serve`. One request is enough to see the client work.
    let response = app.oneshot(Request::get("/umbrella").body(Body::empty())?).await?;
    let status = response.status();
    let text = response.into_body().collect().await?.to_bytes();
    println!("{status}: {}", String::from_utf8_lossy(&text));
    Ok(())
}

async fn umbrella(State(app): State<App>) -> Result<&'static str, StatusCode> {
    let uri = format!("http://{}/today", app.weather);
    let request = Request::get(uri).body(Empty::new()).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    // A clone of the client costs little, and all clones share connections and budget.
    let response = app.client.oneshot(request).await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    if !response.status().is_success() {
        return Err(StatusCode::BAD_GATEWAY);
    }
    let weather = response.into_body().collect().await.map_err(|_| StatusCode::BAD_GATEWAY)?.to_bytes();
    Ok(if weather == "rain" { "take one" } else { "leave it" })
}

/// Answers 503 to the first two calls, and then with the weather.
async fn weather_server() -> anyhow::Result<SocketAddr> {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let app = Router::new().fallback(async || match CALLS.fetch_add(1, Ordering::Relaxed) {
        0 | 1 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        _ => "rain".into_response(),
    });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(axum::serve(listener, app).into_future());
    Ok(address)
}
