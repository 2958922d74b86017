//! Answers that come while the upload still runs.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::channel::{Channel, Sender};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tower::{Layer, Service};
use tower_http_retry::{BoxError, ReplayBody, RetryLayer};

use crate::support::http2::http2_client;
use crate::support::peer::Peer;
use crate::support::{QUICKLY, assert_status, client, info, soon};

type Upload = Channel<Bytes, BoxError>;

/// Sends the first half, waits until the *second* attempt has it, and only then sends the rest.
async fn upload_in_halves<S, R>(client: S, uri: &str, mut resumed: mpsc::Receiver<()>)
where
    S: Service<Request<ReplayBody<Upload>>, Response = Response<R>> + Clone,
    S::Error: std::error::Error + 'static,
    R: http_body::Body + Unpin,
{
    let (mut sender, body): (Sender<Bytes, BoxError>, Upload) = Channel::new(1);
    let request = Request::put(uri).body(body).unwrap();
    let response = RetryLayer::new(QUICKLY).layer(client).oneshot(request);
    let feed = async {
        sender.send_data(Bytes::from_static(b"hello ")).await.unwrap();
        resumed.recv().await.unwrap();
        sender.send_data(Bytes::from_static(b"world")).await.unwrap();
        drop(sender);
    };
    let (response, ()) = soon(async { tokio::join!(response, feed) }).await;
    let response = response.expect("the second attempt is answered");
    assert_status(&response, 200);
    assert_eq!(info(&response).attempts(), 2);
}

#[tokio::test]
async fn a_503_during_an_upload_is_retried_and_the_upload_goes_on_over_http1() {
    let (resume, resumed) = mpsc::channel(1);
    let (whole, mut wholes) = mpsc::channel(1);
    let peer = Peer::start(move |connection, mut wire| {
        let (resume, whole) = (resume.clone(), whole.clone());
        async move {
            wire.head().await;
            assert_eq!(wire.chunk().await.unwrap(), "hello ");
            if connection == 1 {
                wire.answer(503).await;
                return wire.hold().await;
            }
            resume.send(()).await.unwrap();
            let rest = wire.chunk().await.unwrap();
            assert_eq!(wire.chunk().await, None, "the upload ends in good order");
            whole.send(rest).await.unwrap();
            wire.answer(200).await;
        }
    })
    .await;

    upload_in_halves(client(), &peer.uri(), resumed).await;
    assert_eq!(wholes.recv().await.unwrap(), "world");
}

#[tokio::test]
async fn a_503_during_an_upload_is_retried_and_the_upload_goes_on_over_http2() {
    let (resume, resumed) = mpsc::channel(1);
    let (whole, mut wholes) = mpsc::channel(1);
    let calls = Arc::<AtomicUsize>::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service = service_fn(move |request: Request<Incoming>| {
            let (resume, whole) = (resume.clone(), whole.clone());
            let number = calls.fetch_add(1, Ordering::SeqCst) + 1;
            async move {
                let mut body = request.into_body();
                let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
                assert_eq!(first, "hello ");
                let mut response = Response::new(Full::<Bytes>::default());
                if number == 1 {
                    *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
                    return Ok::<_, Infallible>(response);
                }
                resume.send(()).await.unwrap();
                let rest = body.collect().await.expect("the upload ends in good order");
                whole.send(rest.to_bytes()).await.unwrap();
                Ok(response)
            }
        });
        let _ =
            http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
    });

    upload_in_halves(http2_client(), &uri, resumed).await;
    assert_eq!(wholes.recv().await.unwrap(), "world");
}

#[tokio::test]
async fn an_attempt_that_lost_the_body_resets_its_stream_instead_of_ending_it() {
    let (resume, resumed) = mpsc::channel(1);
    let (end, mut ends) = mpsc::channel(1);
    let peer = Peer::start(move |connection, mut wire| {
        let (resume, end) = (resume.clone(), end.clone());
        async move {
            wire.head().await;
            wire.chunk().await;
            if connection == 1 {
                wire.answer(503).await;
                // The last chunk, `0`, would tell the server that it has all of the upload.
                let rest = wire.read_to(b"0\r\n\r\n").await;
                return end.send(rest).await.unwrap();
            }
            resume.send(()).await.unwrap();
            while wire.chunk().await.is_some() {}
            wire.answer(200).await;
        }
    })
    .await;

    upload_in_halves(client(), &peer.uri(), resumed).await;
    assert_eq!(soon(ends.recv()).await.unwrap(), b"", "the first connection ends without a last chunk");
}

#[tokio::test]
async fn an_early_200_is_accepted_and_its_upload_is_left_alone() {
    let (answered, mut answers) = mpsc::channel(1);
    let (whole, mut wholes) = mpsc::channel(1);
    let peer = Peer::start(move |_, mut wire| {
        let (answered, whole) = (answered.clone(), whole.clone());
        async move {
            wire.head().await;
            let first = wire.chunk().await.unwrap();
            wire.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
            answered.send(()).await.unwrap();
            let rest = wire.chunk().await.unwrap();
            whole.send(first + &rest).await.unwrap();
            wire.write("0\r\n\r\n").await;
        }
    })
    .await;

    let (mut sender, body): (Sender<Bytes, BoxError>, Upload) = Channel::new(1);
    let request = Request::put(peer.uri()).body(body).unwrap();
    let response = RetryLayer::new(QUICKLY).layer(client()).oneshot(request);
    let feed = async {
        sender.send_data(Bytes::from_static(b"hello ")).await.unwrap();
        answers.recv().await.unwrap();
    };
    let (response, ()) = soon(async { tokio::join!(response, feed) }).await;
    let response = response.unwrap();
    assert_status(&response, 200);
    sender.send_data(Bytes::from_static(b"world")).await.unwrap();
    drop(sender);
    soon(response.into_body().collect()).await.unwrap();
    assert_eq!(wholes.recv().await.unwrap(), "hello world");
}
