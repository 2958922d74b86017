//! Requests whose client waits for `100 Continue` before it sends the body (`Expect: 100-continue`, RFC 9110
//! section 10.1.1).
//!
//! hyper's client sends a body at once, and hyper's server sends `100 Continue` to the client as soon as the
//! body is read. The gateway therefore does not read the body of such a request before its upstream sends
//! `100 Continue`.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use hyper::ext;
use tokio::time::Sleep;
use tower_http_retry::{BoxError, ReplayBody};

use crate::sync::lock;
use crate::telemetry::request_log::RequestLog;
use crate::upstream::pool::socket::UploadMark;
use crate::upstream::request_body::RequestBody;
use crate::upstream::upload_progress::{UploadPiece, UploadProgress};

/// A request body that may have to wait for `100 Continue`. It is one pointer wide, because the client moves
/// it with its request. An empty body has no allocation.
pub(crate) struct DeferredBody<B>(Option<Box<DeferredBodyInner<B>>>);

struct DeferredBodyInner<B> {
    body: B,
    /// `None` once the body may be read.
    wait: Option<ContinueWait>,
    /// Dropped with the body.
    upload: Option<UploadMark>,
    request_log: RequestLog,
    /// `None` until the first frame, and for a small body that is one frame.
    progress: Option<Arc<UploadProgress>>,
}

/// The response side of the wait for `100 Continue`. Dropping it ends the attempt, and with it the wait.
#[derive(Debug)]
pub(crate) struct ContinueHandle(Arc<Mutex<SharedState>>);

/// The request side of the wait for `100 Continue`.
struct ContinueWait {
    shared: Arc<Mutex<SharedState>>,
    timeout: Duration,
    /// Starts when hyper first polls the body, which is when it sends the head.
    sleep: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
struct SharedState {
    state: ContinueState,
    waker: Option<Waker>,
}

/// The progress of the wait for `100 Continue`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ContinueState {
    /// The upstream has sent nothing.
    Waiting,
    /// The upstream sent 100, or the wait for it ran out.
    Continue,
    /// The upstream responded without 100.
    Responded,
    /// The attempt has ended.
    Ended,
}

/// Lets the body of a request wait for `100 Continue` if its head expects that.
///
/// The wait lasts for `timeout` at most: some servers wait for the body without sending 100, and hyper does
/// not report informational responses over HTTP/2. Without a `timeout`, or without the expectation, there is
/// no wait and no handle.
pub(crate) fn defer_body<B: Body>(
    request: Request<B>,
    timeout: Option<Duration>,
    request_log: &RequestLog,
) -> (Request<DeferredBody<B>>, Option<ContinueHandle>) {
    if request.body().is_end_stream() {
        return (request.map(|_| DeferredBody(None)), None);
    }
    let Some(timeout) = timeout.filter(|_| expects_continue(request.headers())) else {
        return (request.map(|body| DeferredBody::new(body, None, request_log)), None);
    };
    let shared = Arc::new(Mutex::new(SharedState { state: ContinueState::Waiting, waker: None }));
    let wait = ContinueWait { shared: Arc::clone(&shared), timeout, sleep: None };
    let mut request = request.map(|body| DeferredBody::new(body, Some(wait), request_log));
    let continued = Arc::clone(&shared);
    ext::on_informational(&mut request, move |response| {
        if response.status() == StatusCode::CONTINUE {
            set_state(&continued, ContinueState::Continue);
        }
    });
    (request, Some(ContinueHandle(shared)))
}

fn expects_continue(headers: &HeaderMap) -> bool {
    headers.get(header::EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

impl ContinueHandle {
    /// Notes that the upstream has responded. It does not want a body for which it has not sent 100 by now.
    pub(crate) fn responded(self) -> Self {
        set_state(&self.0, ContinueState::Responded);
        self
    }

    /// Returns whether the body was not sent, because the upstream never sent 100.
    pub(crate) fn is_body_unsent(&self) -> bool {
        lock(&self.0).state != ContinueState::Continue
    }
}

impl Drop for ContinueHandle {
    fn drop(&mut self) {
        set_state(&self.0, ContinueState::Ended);
    }
}

/// Changes the state and wakes the body. A body that may be sent is sent to its end, so `Continue` is final.
fn set_state(shared: &Mutex<SharedState>, state: ContinueState) {
    let mut shared = lock(shared);
    if shared.state == ContinueState::Continue {
        return;
    }
    shared.state = state;
    let waker = shared.waker.take();
    drop(shared);
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl ContinueWait {
    /// Resolves when the body may be read. It fails if the attempt ended first.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), NotContinued>> {
        let mut shared = lock(&self.shared);
        match shared.state {
            ContinueState::Continue => return Poll::Ready(Ok(())),
            ContinueState::Ended => return Poll::Ready(Err(NotContinued)),
            ContinueState::Responded => {}
            ContinueState::Waiting => {
                let timeout = self.timeout;
                let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
                if sleep.as_mut().poll(cx).is_ready() {
                    shared.state = ContinueState::Continue;
                    return Poll::Ready(Ok(()));
                }
            }
        }
        shared.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl<B> DeferredBody<B> {
    /// Creates a body without content.
    pub(crate) fn empty() -> Self {
        Self(None)
    }

    fn new(body: B, wait: Option<ContinueWait>, request_log: &RequestLog) -> Self {
        let request_log = request_log.clone();
        Self(Some(Box::new(DeferredBodyInner { body, wait, upload: None, request_log, progress: None })))
    }

    /// Has `mark` tell the connection of the body when it is sent. An empty body needs none.
    pub(crate) fn mark_upload(&mut self, mark: impl FnOnce() -> UploadMark) {
        if let Some(inner) = &mut self.0 {
            let mark = mark();
            if inner.wait.is_none() {
                mark.start();
            }
            inner.upload = Some(mark);
        }
    }
}

impl<B: Body> DeferredBodyInner<B> {
    /// Returns a piece of the body that tells the clock when the endpoint takes it.
    fn piece(&mut self, bytes: Bytes) -> UploadPiece {
        let is_small = bytes.len() <= MAX_SMALL_BODY && self.body.is_end_stream();
        if self.progress.is_none() && !is_small {
            self.progress = Some(Arc::new(UploadProgress::new(&self.request_log)));
        }
        UploadPiece::new(bytes, self.progress.clone())
    }
}

impl Body for DeferredBody<ReplayBody<RequestBody>> {
    type Data = UploadPiece;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<UploadPiece>, BoxError>>> {
        let Some(inner) = &mut self.0 else {
            return Poll::Ready(None);
        };
        if let Some(wait) = &mut inner.wait {
            // hyper polls the body of a request whose head it has begun to send. The retry layer must know
            // that to read a GOAWAY, although nothing of the client's body has been read.
            inner.body.mark_polled();
            if let Err(error) = ready!(wait.poll(cx)) {
                // The error makes hyper close the connection. On an open one, the upstream would read the
                // next request as this body.
                return Poll::Ready(Some(Err(error.into())));
            }
            inner.wait = None;
            if let Some(upload) = &inner.upload {
                upload.start();
            }
        }
        let frame = ready!(Pin::new(&mut inner.body).poll_frame(cx));
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(|bytes| inner.piece(bytes)))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|inner| inner.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or(SizeHint::with_exact(0), |inner| inner.body.size_hint())
    }
}

/// The most bytes of a body of one frame whose progress does not count. An endpoint that is well takes them at once.
const MAX_SMALL_BODY: usize = 16 * 1024;

/// The attempt ended before the upstream sent `100 Continue`.
#[derive(Debug, thiserror::Error)]
#[error("the upstream did not ask for the request body")]
struct NotContinued;
