//! The server: the same for all, and below all of them.

use std::convert::Infallible;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::Full;
use pin_project_lite::pin_project;
use tower::Service;

/// Reads a request to its end, and answers at once.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    behaviour: Behaviour,
}

#[derive(Clone, Debug)]
enum Behaviour {
    Serves,
    /// The first of every two requests fails.
    Alternates(Arc<AtomicU32>),
    Fails,
}

impl Server {
    /// It answers 200.
    pub(crate) fn serving() -> Self {
        Self { behaviour: Behaviour::Serves }
    }

    /// It answers 503 and 200 by turns.
    pub(crate) fn alternating() -> Self {
        Self { behaviour: Behaviour::Alternates(Arc::default()) }
    }

    /// It answers 503.
    pub(crate) fn failing() -> Self {
        Self { behaviour: Behaviour::Fails }
    }

    /// What it answers next.
    pub(crate) fn status(&self) -> StatusCode {
        match &self.behaviour {
            Behaviour::Serves => StatusCode::OK,
            Behaviour::Fails => StatusCode::SERVICE_UNAVAILABLE,
            Behaviour::Alternates(requests) => {
                let is_first = requests.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
                if is_first { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
            }
        }
    }
}

impl<B> Service<Request<B>> for Server
where
    B: Body<Data = Bytes>,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Answer<B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Answer<B> {
        let (head, body) = request.into_parts();
        drop(black_box(head));
        Answer { body, status: self.status() }
    }
}

pin_project! {
    /// Reads the body, and then has the answer.
    #[derive(Debug)]
    pub(crate) struct Answer<B> {
        #[pin]
        body: B,
        status: StatusCode,
    }
}

impl<B> Future for Answer<B>
where
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<Full<Bytes>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // Asked first, as hyper does.
        while !this.body.is_end_stream() {
            let Some(frame) = ready!(this.body.as_mut().poll_frame(cx)) else { break };
            assert!(black_box(frame).is_ok(), "no body fails here");
        }
        let mut response = Response::new(Full::default());
        *response.status_mut() = *this.status;
        Poll::Ready(Ok(response))
    }
}
