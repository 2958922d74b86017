//! A health service that is scripted and remembers what it got.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::StreamExt;
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::time::Instant;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower::ServiceExt;

use crate::support::listener::Listener;

/// What the `n`th call comes to, counted from 1.
type Script = dyn Fn(usize) -> Result<(), Status> + Send + Sync;

/// Listens on a port of its own until it is dropped.
pub(super) struct HealthService {
    listener: Listener,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// One call.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) at: Instant,
    /// `grpc-previous-rpc-attempts`.
    pub(super) previous: Option<String>,
    /// The service that was asked for.
    pub(super) service: String,
}

/// Where the server says how a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// In the head, as tonic does.
    InHead,
    /// In trailers after the head.
    InTrailers,
}

impl HealthService {
    pub(super) async fn start(
        says: Says,
        script: impl Fn(usize) -> Result<(), Status> + Send + Sync + 'static,
    ) -> Self {
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let server = HealthServer::new(Scripted { script: Arc::new(script), seen: Arc::clone(&seen) });
        let listener = Listener::start(move |_, stream| {
            stream.set_nodelay(true).unwrap();
            let service = ServiceExt::<http::Request<Incoming>>::map_response(
                server.clone(),
                move |response| match says {
                    Says::InHead => response,
                    Says::InTrailers => after_the_head(response),
                },
            );
            async move {
                let connection = http2::Builder::new(TokioExecutor::new());
                let service = TowerToHyperService::new(service);
                let _ = connection.serve_connection(TokioIo::new(stream), service).await;
            }
        });
        Self { listener: listener.await, seen }
    }

    pub(super) fn uri(&self) -> String {
        self.listener.uri("")
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

/// The same answer, which says how the call ended in trailers.
fn after_the_head(response: http::Response<tonic::body::Body>) -> http::Response<tonic::body::Body> {
    if !response.headers().contains_key("grpc-status") {
        return response;
    }
    let mut trailers = response.into_parts().0.headers;
    trailers.remove("content-type");
    let frame = Ok::<_, Status>(Frame::<Bytes>::trailers(trailers));
    let head = http::Response::builder().header("content-type", "application/grpc");
    head.body(tonic::body::Body::new(StreamBody::new(futures_util::stream::iter([frame])))).unwrap()
}

struct Scripted {
    script: Arc<Script>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Scripted {
    /// What this call comes to.
    fn answer(&self, request: &Request<HealthCheckRequest>) -> Result<(), Status> {
        let previous = request.metadata().get("grpc-previous-rpc-attempts");
        let number = {
            let mut seen = self.seen.lock().unwrap();
            seen.push(Seen {
                at: Instant::now(),
                previous: previous.map(|count| count.to_str().unwrap().to_owned()),
                service: request.get_ref().service.clone(),
            });
            seen.len()
        };
        (self.script)(number)
    }
}

#[tonic::async_trait]
impl Health for Scripted {
    type WatchStream = BoxStream<HealthCheckResponse>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        self.answer(&request)?;
        Ok(Response::new(HealthCheckResponse { status: ServingStatus::Serving as i32 }))
    }

    /// A stream of which nothing ever comes.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        self.answer(&request)?;
        Ok(Response::new(futures_util::stream::pending().boxed()))
    }
}
