//! The body of an upstream's response, on its way to the client.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tokio::time::Instant;
use tower_http_retry::body::ResponseBody;

use crate::connection::limit::Permit;
use crate::connection::timeouts::ActiveRequest;
use crate::llm::Cared;
use crate::time::pooled_timeout::TimerPool;
use crate::upstream::endpoint::Occupied;
use crate::upstream::expect_continue::Expectation;

/// What is sent to a client: an upstream's body, or one of the gateway's own.
pub(crate) type GatewayBody = Either<UpstreamBody, Full<Bytes>>;

/// A response body that counts as load of its endpoint until it has ended.
#[derive(Debug)]
pub(crate) struct UpstreamBody {
    body: MaybePeeked<Incoming>,
    /// `None` once it has been read to its end.
    occupied: Option<Occupied>,
    /// At the upstream.
    seat: Option<Permit>,
    /// On the client's connection.
    turn: Option<ActiveRequest>,
    /// Of the request.
    expectation: Option<Expectation>,
}

impl UpstreamBody {
    pub(crate) fn new(
        body: MaybePeeked<Incoming>,
        occupied: Occupied,
        expectation: Option<Expectation>,
    ) -> Self {
        Self {
            body,
            occupied: Some(occupied),
            seat: None,
            turn: None,
            expectation: expectation.map(Expectation::answered),
        }
    }

    /// Has its request keep its place and its turn until it has ended.
    pub(crate) fn hold(&mut self, seat: Option<Permit>, turn: Option<ActiveRequest>) {
        (self.seat, self.turn) = (seat, turn);
    }

    /// Reads it to its end, if that comes within so many bytes and until then. Whether it did; then the upstream is done
    /// with it.
    pub(crate) async fn gather(self, most: usize, until: Instant, alarms: &TimerPool) -> (Self, bool) {
        let (body, is_all) = self.body.gather(most, until, alarms).await;
        let (occupied, expectation) = if is_all { (None, None) } else { (self.occupied, self.expectation) };
        (Self { body, occupied, expectation, ..self }, is_all)
    }

    /// Whether it answers a request whose body nobody asked for.
    pub(crate) fn is_early(&self) -> bool {
        self.expectation.as_ref().is_some_and(Expectation::is_unasked)
    }
}

impl From<ResponseBody<Self>> for UpstreamBody {
    /// Puts back what the retry layer has read of a failed response that is handed on after all.
    fn from(body: ResponseBody<Self>) -> Self {
        let (body, frames, has_ended) = match body.try_into_inner() {
            Ok(body) => return body,
            Err(body) => body.into_parts(),
        };
        let occupied = body.occupied.filter(|_| !has_ended);
        Self { body: body.body.put_back(frames, has_ended), occupied, ..body }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
