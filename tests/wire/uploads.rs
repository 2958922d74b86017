//! Bodies of every size and kind, over real connections.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::{self, Either, MapErr, Ready, TryFutureExt};
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{Full, StreamBody};
use tower::{BoxError, Layer, Service};
use tower_http_retry::body::{ReplayMemory, ResponseBody};
use tower_http_retry::policy::BodyState;
use tower_http_retry::{GiveUpReason, ReplayBody, RetryLayer};

use crate::support::bodies::Frames;
use crate::support::http2::http2_client;
use crate::support::server::Server;
use crate::support::{QUICKLY, assert_status, client, info, refused, soon, status};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

fn put(uri: &str, bytes: usize) -> Request<Full<Bytes>> {
    Request::put(uri).body(Full::from(vec![7; bytes])).unwrap()
}

/// The sizes of the bodies that the server got.
fn sizes(server: &Server) -> Vec<usize> {
    server.seen().iter().map(|seen| seen.body.as_ref().map_or(0, Bytes::len)).collect()
}

#[tokio::test]
async fn an_upload_within_the_limit_is_resent_whole_with_its_length() {
    for bytes in [1, KIB, 64 * KIB] {
        let server = Server::statuses([503, 200]).await;
        let client = RetryLayer::new(QUICKLY).layer(client());
        let response = soon(client.oneshot(put(&server.uri("/"), bytes))).await.unwrap();
        assert_status(&response, 200);
        assert_eq!(sizes(&server), [bytes, bytes]);
        for seen in server.seen() {
            assert_eq!(seen.header("content-length"), Some(bytes.to_string().as_str()));
        }
    }
}

#[tokio::test]
async fn an_upload_over_the_limit_is_sent_whole_and_once() {
    let server = Server::statuses([503, 200]).await;
    let client = RetryLayer::new(QUICKLY).layer(client());
    let response = soon(client.oneshot(put(&server.uri("/"), MIB))).await.unwrap();
    assert_status(&response, 503);
    assert_eq!(info(&response).reason(), Some(GiveUpReason::Body));
    assert_eq!(sizes(&server), [MIB]);
}

#[tokio::test]
async fn an_upload_for_which_there_is_no_memory_is_sent_whole_and_once() {
    let memory = ReplayMemory::new(32 * KIB);
    let server = Server::statuses([503, 200]).await;
    let client = RetryLayer::new(QUICKLY).replay_memory(memory.clone()).layer(client());
    let response = soon(client.clone().oneshot(put(&server.uri("/"), 33 * KIB))).await.unwrap();
    assert_eq!(info(&response).reason(), Some(GiveUpReason::Body));
    assert_eq!(memory.used(), 0);

    let server = Server::statuses([503, 200]).await;
    let response = soon(client.oneshot(put(&server.uri("/"), 31 * KIB))).await.unwrap();
    assert_status(&response, 200);
    assert_eq!(memory.used(), 0, "what was kept is given back");
}

/// Fails the first call before it reads anything of the body, as a failed connect does.
#[derive(Clone)]
struct NotAtFirst<S> {
    inner: S,
    calls: Arc<AtomicUsize>,
}

impl<S, B, R> Service<Request<B>> for NotAtFirst<S>
where
    S: Service<Request<B>, Response = R>,
    S::Error: Into<BoxError>,
{
    type Response = R;
    type Error = BoxError;
    type Future = Either<Ready<Result<R, BoxError>>, MapErr<S::Future, fn(S::Error) -> BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if self.calls.fetch_add(1, Ordering::SeqCst) == 0 {
            return Either::Left(future::err(refused().into()));
        }
        Either::Right(self.inner.call(request).map_err(Into::into))
    }
}

#[tokio::test]
async fn an_upload_that_was_never_read_is_resent_whatever_its_size_and_method() {
    for bytes in [MIB, 64 * MIB] {
        let memory = ReplayMemory::new(usize::MAX);
        let server = Server::statuses([200]).await;
        let inner = NotAtFirst { inner: client(), calls: Arc::default() };
        let client = RetryLayer::new(QUICKLY).replay_memory(memory.clone()).layer(inner);
        let post = Request::post(server.uri("/")).body(Full::from(vec![7; bytes])).unwrap();
        let response = soon(client.oneshot(post)).await.unwrap();
        assert_status(&response, 200);
        assert_eq!(info(&response).attempts(), 2);
        assert_eq!(sizes(&server), [bytes]);
        assert_eq!(memory.used(), 0);
    }
}

#[tokio::test]
async fn a_body_of_unknown_length_goes_in_chunks_and_is_resent_frame_by_frame() {
    let server = Server::statuses([503, 200]).await;
    let client = RetryLayer::new(QUICKLY).layer(client());
    let frames = ["one ", "two ", "three"]
        .map(|data| Ok::<_, BoxError>(Frame::data(Bytes::from_static(data.as_bytes()))));
    let body = StreamBody::new(futures_util::stream::iter(frames));
    let request = Request::put(server.uri("/")).body(body).unwrap();
    let response = soon(client.oneshot(request)).await.unwrap();
    assert_status(&response, 200);
    for seen in server.seen() {
        assert_eq!(seen.body.as_deref(), Some(&b"one two three"[..]));
        // The second attempt could know the length by now, and would then lose trailers.
        assert_eq!(seen.header("content-length"), None);
        assert_eq!(seen.header("transfer-encoding"), Some("chunked"));
    }
    assert_eq!(server.seen().len(), 2);
}

fn trailers() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", http::HeaderValue::from_static("42"));
    trailers
}

#[tokio::test]
async fn trailers_are_resent_also_where_there_is_nothing_else() {
    for frames in [Frames::new(["data"]), Frames::new([])] {
        let server = Server::http2(|number| Ok(status(if number == 1 { 503 } else { 200 }))).await;
        let client = RetryLayer::new(QUICKLY).layer(http2_client());
        let request = Request::put(server.uri("/")).body(frames.trailers(trailers())).unwrap();
        let response = soon(client.oneshot(request)).await.unwrap();
        assert_status(&response, 200);
        let seen = server.seen();
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0].body, seen[1].body);
        assert!(seen.iter().all(|upload| upload.trailers == Some(trailers())), "{seen:?}");
    }
}

/// Sends a body that breaks after its second frame, and returns what the caller gets.
async fn broken<S, R>(client: S, uri: &str) -> Result<Response<ResponseBody<R>>, S::Error>
where
    S: Service<Request<ReplayBody<Frames>>, Response = Response<R>> + Clone,
    S::Error: Error + 'static,
    R: Body + Unpin,
{
    let body = Frames::new(["one", "two"]).then_fails();
    let request = Request::put(uri).body(body).unwrap();
    soon(RetryLayer::new(QUICKLY).layer(client).oneshot(request)).await
}

fn says(error: &(dyn Error + 'static), text: &str) -> bool {
    std::iter::successors(Some(error), |&error| error.source()).any(|error| error.to_string().contains(text))
}

#[tokio::test]
async fn a_body_that_breaks_is_not_sent_again_and_the_caller_sees_its_own_error() {
    let server = Server::statuses([200]).await;
    let error = broken(client(), &server.uri("/")).await.unwrap_err();
    assert!(says(&error, "the caller's own body broke"), "{error:?}");
    assert_eq!(server.seen().iter().filter(|seen| seen.body.is_some()).count(), 0);
    assert!(server.seen().len() <= 1);
}

#[tokio::test]
async fn a_body_that_breaks_is_not_sent_again_over_http2_either() {
    let server = Server::http2(|_| Ok(status(503))).await;
    let result = broken(http2_client(), &server.uri("/")).await;
    if let Ok(response) = &result {
        assert_eq!(info(response).reason(), Some(GiveUpReason::Body));
    }
    let seen = server.seen();
    assert!(seen.len() <= 1 && seen.iter().all(|upload| upload.body.is_none()), "{seen:?}");
}

#[tokio::test]
async fn the_policy_is_told_what_became_of_the_body() {
    use tower_http_retry::Policy;
    let states = Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = Arc::clone(&states);
    let spy = QUICKLY.classify_with(move |attempt| {
        log.lock().unwrap().push(attempt.body);
        None
    });
    let server = Server::statuses([503]).await;
    let client = RetryLayer::new(spy).layer(client());
    soon(client.clone().oneshot(put(&server.uri("/"), MIB))).await.unwrap();
    soon(client.oneshot(put(&server.uri("/"), KIB))).await.unwrap();
    let replayable = [BodyState::Replayable; 3];
    assert_eq!(states.lock().unwrap()[..1], [BodyState::TooLarge]);
    assert_eq!(states.lock().unwrap()[1..], replayable);
}
