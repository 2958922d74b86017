//! A reverse proxy is the fallback of an axum router: another server answers the paths that the router does not have.
//! Bodies stream both ways.
//!
//! `cargo run --example axum_proxy`

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode, header, uri};
use axum::response::{IntoResponse, Response};
use axum::{Router, routing::get};
use http_body_util::BodyExt;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tower::Layer;
use tower_http_retry::{ReplayBody, Retry, RetryLayer};

#[derive(Clone)]
struct Upstream {
    client: Retry<Client<HttpConnector, ReplayBody<Body>>>,
    address: SocketAddr,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address = serve(Router::new().fallback(echo)).await?;
    let client = RetryLayer::default().layer(Client::builder(TokioExecutor::new()).build_http());
    let proxy = Router::new()
        .route("/health", get("well"))
        .fallback(forward)
        .with_state(Upstream { client, address });
    let proxy = serve(proxy).await?;

    let client = Client::builder(TokioExecutor::new()).build_http();
    for (method, path, upload) in [("GET", "health", ""), ("PUT", "echo", "a text")] {
        let request = Request::builder().method(method).uri(format!("http://{proxy}/{path}"));
        let request = request.body(Body::from(upload))?;
        let text = client.request(request).await?.into_body().collect().await?.to_bytes();
        println!("{path}: {}", String::from_utf8_lossy(&text));
    }
    Ok(())
}

/// Forwards the request as it came. A whole proxy also removes hop-by-hop headers such as `Connection`.
async fn forward(
    State(upstream): State<Upstream>,
    mut request: Request<Body>,
) -> Result<Response, StatusCode> {
    let target = request.uri().path_and_query().map_or("/", uri::PathAndQuery::as_str);
    let target = format!("http://{}{target}", upstream.address);
    *request.uri_mut() = target.parse().map_err(|_| StatusCode::BAD_REQUEST)?;
    request.headers_mut().remove(header::HOST);
    let response = upstream.client.oneshot(request).await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    Ok(response.into_response())
}

/// Answers 503 to the first call, and returns the body of each further one.
async fn echo(upload: Body) -> Response {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    match CALLS.fetch_add(1, Ordering::Relaxed) {
        0 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        _ => Response::new(upload),
    }
}

async fn serve(app: Router) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(axum::serve(listener, app).into_future());
    Ok(address)
}
