//! A connection whose peer becomes unreachable when the request is on its way. Linux then fails it with
//! EHOSTUNREACH, as it fails a connect.

use std::future::ready;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Method, Uri};
use http_body_util::Full;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioExecutor;
use tower::{BoxError, Layer, service_fn};
use tower_http_retry::{ReplayBody, RetryLayer};

use crate::support::{QUICKLY, request, soon};

/// Takes what is written, and then cannot reach its peer any more.
struct Cut {
    written: Arc<Mutex<Vec<u8>>>,
    is_cut: bool,
    reading: Option<Waker>,
}

impl Read for Cut {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_cut {
            return Poll::Ready(Err(io::ErrorKind::HostUnreachable.into()));
        }
        self.reading = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Write for Cut {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.written.lock().unwrap().extend_from_slice(bytes);
        self.is_cut = true;
        self.reading.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Connection for Cut {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

#[tokio::test]
async fn a_peer_that_becomes_unreachable_may_have_processed_the_request() {
    for (method, sends) in [(Method::PUT, 3), (Method::POST, 1)] {
        let written = Arc::<Mutex<Vec<u8>>>::default();
        let log = Arc::clone(&written);
        let connector = service_fn(move |_: Uri| {
            let connection = Cut { written: Arc::clone(&log), is_cut: false, reading: None };
            ready(Ok::<_, BoxError>(connection))
        });
        let client: Client<_, ReplayBody<Full<Bytes>>> =
            Client::builder(TokioExecutor::new()).build(connector);
        let pay = request(method.clone(), "http://bank.example/", "pay=100");
        soon(RetryLayer::new(QUICKLY).layer(client).oneshot(pay)).await.unwrap_err();
        let written = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        assert_eq!(written.matches("pay=100").count(), sends, "{method}");
    }
}
