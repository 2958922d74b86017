//! The status of a gRPC call that its server sends in trailers right after the head.
//!
//! Policy, budget, pace and log read heads only. A server that fails a call at once mostly sends the status in the head
//! (*Trailers-Only*). Other servers, and proxies, send a head and then the trailers, with nothing in between.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio::time::Instant;
use tower_http_retry::grpc::{GrpcCode, is_grpc};
use tower_http_retry::policy::ResponseHead;

use crate::llm::{Inspected, Inspection, MaybePeeked};
use crate::time::pooled_timeout::TimerPool;

/// Moves the status of a failed call into the head, if trailers with it follow the head at once.
///
/// The gateway cannot tell a unary call from a stream, whose client waits for the head. So it waits for the first frame
/// for a few milliseconds only. Any frame but such trailers stays in the body.
pub(crate) fn move_status_to_head<B>(
    mut response: Response<MaybePeeked<B>>,
    timers: &TimerPool,
    cx: &mut Context<'_>,
) -> Inspection<B>
where
    B: Body<Data = Bytes, Error: Send> + Send + Unpin + 'static,
{
    if !may_fail_in_trailers(&response) {
        return Inspection::NotNeeded(response);
    }
    match Pin::new(response.body_mut()).poll_frame(cx) {
        Poll::Ready(first) => Inspection::NotNeeded(with_first_frame(response, first)),
        Poll::Pending => Inspection::Running(Box::pin(wait(response, timers.clone()))),
    }
}

async fn wait<B>(mut response: Response<MaybePeeked<B>>, timers: TimerPool) -> Inspected<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    Ok(match timers.timeout_at(Instant::now() + MAX_WAIT, response.body_mut().frame()).await {
        Some(first) => with_first_frame(response, first),
        None => response,
    })
}

/// Returns the code with which a call failed, if the head tells it.
pub(crate) fn failure<B>(response: &Response<B>) -> Option<GrpcCode> {
    let headers = response.headers();
    let is_told = is_grpc(headers) && is_failure(headers);
    is_told.then(|| GrpcCode::from_head(&ResponseHead::from(response))).flatten()
}

/// Returns whether the head tells no status yet, and trailers can still follow.
fn may_fail_in_trailers<B: Body>(response: &Response<B>) -> bool {
    let headers = response.headers();
    let is_open = response.status() == StatusCode::OK && !headers.contains_key(&GRPC_STATUS);
    is_open && is_grpc(headers) && !response.body().is_end_stream()
}

fn with_first_frame<B>(
    response: Response<MaybePeeked<B>>,
    first: Option<Result<Frame<Bytes>, B::Error>>,
) -> Response<MaybePeeked<B>>
where
    B: Body<Data = Bytes>,
{
    let (mut head, body) = response.into_parts();
    let first = match first {
        Some(Ok(frame)) => match frame.into_trailers() {
            Ok(trailers) if is_failure(&trailers) => {
                head.headers.extend(trailers);
                None
            }
            Ok(trailers) => Some(Ok(Frame::trailers(trailers))),
            Err(frame) => Some(Ok(frame)),
        },
        first => first,
    };
    Response::from_parts(head, body.with_first(first))
}

fn is_failure(trailers: &HeaderMap) -> bool {
    trailers.get(&GRPC_STATUS).is_some_and(|status| status != "0")
}

static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// The trailers come in the same packet as the head, or in the next one. No client notices that the head of a stream comes
/// this much later.
const MAX_WAIT: Duration = Duration::from_millis(10);
