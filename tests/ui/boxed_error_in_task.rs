//! The type of the inner service names a `BoxError`, and a task sends through `tower::ServiceExt`.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder, ServiceExt};
use tower_http_retry::{ReplayBody, RetryLayer};

type Inner = BoxCloneSyncService<Request<ReplayBody<Full<Bytes>>>, Response<Full<Bytes>>, BoxError>;

fn send(inner: Inner) {
    let client = ServiceBuilder::new().layer(RetryLayer::default()).service(inner);
    tokio::spawn(async move {
        let response = ServiceExt::oneshot(client, Request::new(Full::<Bytes>::default())).await;
        response.map(drop)
    });
}

fn main() {}
