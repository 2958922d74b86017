//! A tonic client resends its call while the service is unavailable.
//!
//! `cargo run --example tonic`

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::net::TcpListener;
use tonic::codegen::BoxStream;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Response, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower::ServiceBuilder;
use tower_http_retry::grpc::GrpcTrailersLayer;
use tower_http_retry::{ReplayBody, presets};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let channel = Endpoint::from_shared(flaky_server().await?)?.connect().await?;

    let channel = ServiceBuilder::new()
        .layer(presets::grpc())
        // This layer is for unary calls only: a stream must not pass through it.
        .layer(GrpcTrailersLayer::unary())
        .map_request(|request: http::Request<ReplayBody<_>>| request.map(tonic::body::Body::new))
        .service(channel);

    let mut client = HealthClient::new(channel);
    let response = client.check(HealthCheckRequest::default()).await?;
    println!("{:?}", response.into_inner().status());
    Ok(())
}

/// A service that is unavailable for the first two calls.
#[derive(Default)]
struct Flaky {
    calls: AtomicU32,
}

#[tonic::async_trait]
impl Health for Flaky {
    type WatchStream = BoxStream<HealthCheckResponse>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let previous = request.metadata().get("grpc-previous-rpc-attempts");
        println!("{} calls before", previous.map_or("no", |count| count.to_str().unwrap_or("?")));
        if self.calls.fetch_add(1, Ordering::Relaxed) < 2 {
            return Err(Status::unavailable("not yet"));
        }
        Ok(Response::new(HealthCheckResponse { status: ServingStatus::Serving as i32 }))
    }

    async fn watch(&self, _: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("no watch"))
    }
}

async fn flaky_server() -> anyhow::Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let server = Server::builder().add_service(HealthServer::new(Flaky::default()));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    Ok(url)
}
