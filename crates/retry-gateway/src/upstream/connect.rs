//! The connector of an endpoint: TCP, TLS, and one timeout around both.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::timeout::{self, Timeout};
use tower::util::MapFuture;
use tower::{BoxError, Service, ServiceExt};

/// Opens TCP connections to one endpoint, whatever host a request names. The two differ if the client's
/// `Host` is preserved.
///
/// A clone is cheap, which matters because the client clones its connector for each request.
#[derive(Clone, Debug)]
pub(crate) struct Connector(Arc<(Uri, HttpConnector)>);

impl Connector {
    /// Creates a connector to `endpoint`. `connect_timeout` bounds the TCP handshake.
    pub(crate) fn new(endpoint: Uri, connect_timeout: Duration) -> Self {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(connect_timeout));
        Self(Arc::new((endpoint, http)))
    }
}

impl Service<Uri> for Connector {
    type Response = Socket;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Socket, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let (endpoint, http) = &*self.0;
        let connecting = http.clone().oneshot(endpoint.clone());
        Box::pin(async move { Ok(Socket(connecting.await?)) })
    }
}

/// A connector with a timeout. Its future is boxed, because the client needs one that is `Unpin`.
pub(crate) type TimeoutConnector<C> =
    MapFuture<Timeout<C>, fn(TimeoutFuture<C>) -> Pin<Box<TimeoutFuture<C>>>>;

type TimeoutFuture<C> = timeout::future::ResponseFuture<<C as Service<Uri>>::Future>;

/// Bounds all that `connector` does for a connection. The TCP timeout alone is not enough: a server that
/// accepts a connection and does not answer the TLS handshake would hold a request for as long as its attempt
/// may take.
pub(crate) fn with_timeout<C: Service<Uri>>(connector: C, connect_timeout: Duration) -> TimeoutConnector<C> {
    MapFuture::new(Timeout::new(connector, connect_timeout), Box::pin)
}

/// A TCP stream that does not report its addresses. hyper-util would put them into the extensions of each
/// response.
#[derive(Debug)]
pub(crate) struct Socket(TokioIo<TcpStream>);

impl Connection for Socket {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl Write for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }
}

#[cfg(test)]
mod tests {
    use hyper_util::client::legacy::Client;
    use hyper_util::rt::TokioExecutor;
    use tokio::time::Instant;
    use tower::service_fn;
    use tower_http_retry::FailureKind;
    use tower_http_retry::failure::failure_kind_assuming_sent;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_takes_too_long_is_a_request_that_was_never_sent() {
        let stalled = service_fn(|_: Uri| std::future::pending::<Result<Socket, BoxError>>());
        let connector = with_timeout(stalled, Duration::from_secs(3));
        let client: Client<_, http_body_util::Empty<bytes::Bytes>> =
            Client::builder(TokioExecutor::new()).build(connector);
        let start = Instant::now();
        let error = client.get(Uri::from_static("http://api.example/")).await.unwrap_err();
        assert_eq!(start.elapsed(), Duration::from_secs(3));
        assert!(error.is_connect(), "{error:?}");
        assert_eq!(failure_kind_assuming_sent(&error), FailureKind::NeverSent);
    }
}
