//! The layer's HTTP/2 client.

use bytes::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tower_http_retry::{BoxError, ReplayBody};

/// Returns a client of hyper-util that speaks HTTP/2 only.
pub(crate) fn http2_client<B>() -> Client<HttpConnector, ReplayBody<B>>
where
    B: http_body::Body<Data = Bytes> + Send,
    B::Error: Into<BoxError>,
{
    let mut connector = HttpConnector::new();
    // Or every small frame waits 40 ms for the acknowledgement of the one before.
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).http2_only(true).build(connector)
}
