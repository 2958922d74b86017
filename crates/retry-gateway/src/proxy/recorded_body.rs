//! The body of a response to a client. Its end goes into the record of the request.

use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Either;
use tower_http_retry::BoxError;

use crate::proxy::record::RequestRecord;
use crate::telemetry::response_end::{ResponseEnd, ResponseSummary};
use crate::upstream::error::ResponseBodyError;
use crate::upstream::response_body::GatewayBody;

/// A response body that tells the record of its request how it ended.
///
/// An error is held back for one poll. hyper closes the connection at once when a body fails, and what it has not
/// written by then is lost: the head too, if the failure came in the same packet.
pub(crate) struct RecordedBody {
    body: GatewayBody,
    /// `None` after the end of the body. Dropping the record writes its line in the access log.
    record: Option<Box<RequestRecord>>,
    bytes: u64,
    error: Option<BoxError>,
}

impl RecordedBody {
    pub(crate) fn new(body: GatewayBody, record: Option<Box<RequestRecord>>) -> Self {
        let bytes = match &body {
            // hyper drops the body of a local reply to HEAD without reading it.
            Either::Right(body) => body.size_hint().exact(),
            Either::Left(body) => body.is_end_stream().then_some(0),
        };
        let mut recorded = Self { body, record, bytes: bytes.unwrap_or_default(), error: None };
        if bytes.is_some() {
            recorded.end(ResponseEnd::Whole);
        }
        recorded
    }

    fn end(&mut self, end: ResponseEnd) {
        if let Some(mut record) = self.record.take() {
            record.end(ResponseSummary { end, bytes: self.bytes });
        }
    }

    fn end_with(&mut self, error: &BoxError) {
        let end = match (error.downcast_ref(), &self.record) {
            (Some(ResponseBodyError::IdleTimeout), _) => ResponseEnd::TimedOut,
            // The gateway breaks a request off whose client did not send its body, and the response ends with it.
            (_, Some(record)) if record.request_log.body_failure().is_some() => ResponseEnd::CutByClient,
            _ => ResponseEnd::CutByUpstream,
        };
        self.end(end);
    }
}

impl Body for RecordedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(error) = mem::take(&mut self.error) {
            self.end_with(&error);
            return Poll::Ready(Some(Err(error)));
        }
        match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            None => {
                self.end(ResponseEnd::Whole);
                Poll::Ready(None)
            }
            Some(Ok(frame)) => {
                self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                if let (Some(trailers), Some(record)) = (frame.trailers_ref(), &mut self.record) {
                    record.note_grpc_code(trailers);
                }
                // Nothing follows trailers, and hyper does not ask for it.
                if frame.is_trailers() || self.body.is_end_stream() {
                    self.end(ResponseEnd::Whole);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                self.error = Some(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.error.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for RecordedBody {
    fn drop(&mut self) {
        match mem::take(&mut self.error) {
            Some(error) => self.end_with(&error),
            // hyper does not ask for the end of a body that has all bytes of its length.
            None if self.body.size_hint().exact() == Some(0) => self.end(ResponseEnd::Whole),
            None => self.end(ResponseEnd::CutByClient),
        }
    }
}
