//! The layer wraps the body of each response.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client, Error, connect::HttpConnector};
use tower_http_retry::{ReplayBody, Retry};

async fn send(
    client: Retry<Client<HttpConnector, ReplayBody<Full<Bytes>>>>,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, Error> {
    client.oneshot(request).await
}

fn main() {}
