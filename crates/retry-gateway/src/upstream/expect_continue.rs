//! Requests whose client waits to be asked for the body (`Expect: 100-continue`, RFC 9110 section 10.1.1).
//!
//! hyper's client sends a body at once, and hyper's server asks its client for the body as soon as somebody reads it.
//! So nobody reads the body of such a request before its upstream asks.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use hyper::ext;
use tokio::time::Sleep;
use tower_http_retry::{BoxError, ReplayBody};

use crate::upstream::request_body::Upload;

/// A body that may have to be asked for. It is one pointer wide, because the client moves it about with its request.
pub(crate) struct AskedBody<B>(Option<Box<Asked<B>>>);

struct Asked<B> {
    body: B,
    /// `None` from when it was.
    hold: Option<Hold>,
}

/// What the request's side and the response's side of an attempt know of each other.
#[derive(Debug)]
pub(crate) struct Expectation(Arc<Mutex<State>>);

struct Hold {
    state: Arc<Mutex<State>>,
    patience: Duration,
    /// From when the body is first wanted, which is when the head is on its way.
    sleep: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
struct State {
    stage: Stage,
    waiting: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The upstream has said nothing.
    Silent,
    /// It asked for the body, or seems not to know that it should.
    Asked,
    /// It answered without.
    Answered,
    /// The attempt is over.
    Over,
}

/// Holds the body of a request that expects to be asked for it, for no longer than `patience`: there are servers that
/// wait for it without asking, and hyper does not tell what they say over HTTP/2. There is none where the request is
/// known not to expect it.
pub(crate) fn hold<B: Body>(
    request: Request<B>,
    patience: Option<Duration>,
) -> (Request<AskedBody<B>>, Option<Expectation>) {
    if request.body().is_end_stream() {
        return (request.map(|_| AskedBody(None)), None);
    }
    let Some(patience) = patience.filter(|_| is_in(request.headers())) else {
        return (request.map(|body| AskedBody::new(body, None)), None);
    };
    let state = Arc::new(Mutex::new(State { stage: Stage::Silent, waiting: None }));
    let hold = Hold { state: Arc::clone(&state), patience, sleep: None };
    let mut request = request.map(|body| AskedBody::new(body, Some(hold)));
    let asked = Arc::clone(&state);
    ext::on_informational(&mut request, move |response| {
        if response.status() == StatusCode::CONTINUE {
            turn(&asked, Stage::Asked);
        }
    });
    (request, Some(Expectation(state)))
}

fn is_in(headers: &HeaderMap) -> bool {
    headers.get(header::EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

impl Expectation {
    /// The upstream has answered: it does not want a body that it has not asked for by now.
    pub(crate) fn answered(self) -> Self {
        turn(&self.0, Stage::Answered);
        self
    }

    /// Whether the body was left where it is.
    pub(crate) fn is_unasked(&self) -> bool {
        lock(&self.0).stage != Stage::Asked
    }
}

impl Drop for Expectation {
    fn drop(&mut self) {
        turn(&self.0, Stage::Over);
    }
}

/// A body that was asked for is sent to its end.
fn turn(state: &Mutex<State>, stage: Stage) {
    let mut state = lock(state);
    if state.stage == Stage::Asked {
        return;
    }
    state.stage = stage;
    let waiting = state.waiting.take();
    drop(state);
    if let Some(waiting) = waiting {
        waiting.wake();
    }
}

impl Hold {
    /// Whether the body may be read.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Unasked>> {
        let mut state = lock(&self.state);
        match state.stage {
            Stage::Asked => return Poll::Ready(Ok(())),
            Stage::Over => return Poll::Ready(Err(Unasked)),
            Stage::Answered => {}
            Stage::Silent => {
                let patience = self.patience;
                let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
                if sleep.as_mut().poll(cx).is_ready() {
                    state.stage = Stage::Asked;
                    return Poll::Ready(Ok(()));
                }
            }
        }
        state.waiting = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl<B> AskedBody<B> {
    fn new(body: B, hold: Option<Hold>) -> Self {
        Self(Some(Box::new(Asked { body, hold })))
    }
}

impl Body for AskedBody<ReplayBody<Upload>> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(asked) = &mut self.0 else {
            return Poll::Ready(None);
        };
        if let Some(hold) = &mut asked.hold {
            // It is, but not for the upstream.
            asked.body.mark_polled();
            if let Err(unasked) = ready!(hold.poll(cx)) {
                // hyper ends the connection, on which the upstream would take the next request for this body.
                return Poll::Ready(Some(Err(unasked.into())));
            }
            asked.hold = None;
        }
        Pin::new(&mut asked.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|asked| asked.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or(SizeHint::with_exact(0), |asked| asked.body.size_hint())
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why a body was not sent.
#[derive(Debug)]
struct Unasked;

impl fmt::Display for Unasked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the upstream did not ask for the request body")
    }
}

impl Error for Unasked {}
