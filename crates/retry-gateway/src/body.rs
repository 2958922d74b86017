//! The body of an upstream's response, on its way to the client.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Either, Full};
use hyper::body::Incoming;

use crate::capacity::Seat;
use crate::care::Cared;
use crate::endpoint::Occupied;
use crate::expect::Expectation;
use crate::patience::Turn;

/// What is sent to a client: an upstream's body, or one of the gateway's own.
pub(crate) type GatewayBody = Either<UpstreamBody, Full<Bytes>>;

/// A response body that counts as load of its endpoint until it has ended.
#[derive(Debug)]
pub(crate) struct UpstreamBody {
    body: Cared<Incoming>,
    _occupied: Occupied,
    /// At the upstream.
    seat: Option<Seat>,
    /// On the client's connection.
    turn: Option<Turn>,
    /// Of the request.
    expectation: Option<Expectation>,
}

impl UpstreamBody {
    pub(crate) fn new(body: Cared<Incoming>, occupied: Occupied, expectation: Option<Expectation>) -> Self {
        Self {
            body,
            _occupied: occupied,
            seat: None,
            turn: None,
            expectation: expectation.map(Expectation::answered),
        }
    }

    /// Has its request keep its place and its turn until it has ended.
    pub(crate) fn hold(&mut self, seat: Option<Seat>, turn: Option<Turn>) {
        (self.seat, self.turn) = (seat, turn);
    }

    /// Whether it answers a request whose body nobody asked for.
    pub(crate) fn is_early(&self) -> bool {
        self.expectation.as_ref().is_some_and(Expectation::is_unasked)
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
