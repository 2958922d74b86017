//! A gateway in sixty lines, with nothing but hyper. It forwards each request, and resends it after a failure.
//!
//! `cargo run --example gateway 127.0.0.1:8000` takes the address of a running server. Use `retry-gateway` in
//! production.

use std::net::Ipv4Addr;

use anyhow::Context;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header, uri};
use http_body_util::{Either, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tower::Layer;
use tower_http_retry::body::ResponseBody;
use tower_http_retry::{ReplayBody, Retry, RetryLayer};

type Upstream = Retry<Client<HttpConnector, ReplayBody<Incoming>>>;
type Answer = Response<Either<ResponseBody<Incoming>, Empty<Bytes>>>;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address = std::env::args().nth(1).context("which server?")?;
    let client: Upstream = RetryLayer::default().layer(Client::builder(TokioExecutor::new()).build_http());

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("http://{}", listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept().await?;
        let (client, address) = (client.clone(), address.clone());
        let forward = service_fn(move |request| {
            let answer = forward(client.clone(), address.clone(), request);
            async { Ok::<_, http::Error>(answer.await.unwrap_or_else(gateway_error)) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), forward));
    }
}

/// Forwards a request as it came, but for the hop-by-hop headers. Bodies stream both ways.
async fn forward(
    client: Upstream,
    address: String,
    mut request: Request<Incoming>,
) -> anyhow::Result<Answer> {
    let target = request.uri().path_and_query().map_or("/", uri::PathAndQuery::as_str);
    *request.uri_mut() = format!("http://{address}{target}").parse()?;
    request.headers_mut().remove(header::HOST);
    remove_hop_by_hop(request.headers_mut());
    let mut response = client.oneshot(request).await?;
    remove_hop_by_hop(response.headers_mut());
    Ok(response.map(Either::Left))
}

/// Removes the hop-by-hop headers of RFC 9110 section 7.6.1. A whole proxy also removes those that `Connection` names.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    for name in [header::CONNECTION, header::TE, header::TRANSFER_ENCODING, header::UPGRADE] {
        headers.remove(name);
    }
}

fn gateway_error(error: anyhow::Error) -> Answer {
    eprintln!("{error:#}");
    let mut answer = Response::new(Either::Right(Empty::new()));
    *answer.status_mut() = StatusCode::BAD_GATEWAY;
    answer
}
