//! Inspection of response bodies of language model APIs: the body of a 429 may say that a quota is used up, and the
//! first event of a stream may be a failure.
//!
//! A response with such a body carries another status inside the gateway, so that the policy, the pace, the budget and
//! the log, which only read heads, treat it correctly. The client gets the server's status.

mod body_signal;
mod content_type;
mod error_body;
mod event_stream;
mod idempotency_key;
mod peeked_body;
mod quota;

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::Body;
use tokio::time::Instant;

pub(crate) use self::body_signal::BodySignal;
pub(crate) use self::idempotency_key::add_idempotency_key;
pub(crate) use self::peeked_body::MaybePeeked;
use self::peeked_body::PeekedBody;
use crate::config::Retry;
use crate::time::pooled_timeout::Alarms;

/// The parts of response bodies that a route inspects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyInspection {
    peek_quota: bool,
    hold_event_stream: Option<Duration>,
}

/// One read of the start of a body, up to a deadline.
#[derive(Clone, Copy, Debug)]
enum Peek {
    /// The gateway reads the whole body of a 429.
    Quota(Instant),
    /// The gateway reads an event stream up to the end of its first event.
    FirstEvent(Instant),
}

/// A response, or the future that inspects its body first.
pub(crate) enum Inspection<B: Body> {
    NotNeeded(Response<MaybePeeked<B>>),
    /// The future is boxed because most responses are not inspected, and an unboxed one would enlarge each attempt.
    Running(Pin<Box<dyn Future<Output = Response<MaybePeeked<B>>> + Send>>),
}

/// Inspects a response's body, if its route and its head ask for it, until `deadline` at the latest.
pub(crate) fn inspect<B>(
    inspection: Option<BodyInspection>,
    response: Response<B>,
    deadline: Instant,
    timers: &Alarms,
) -> Inspection<B>
where
    B: Body<Data = Bytes, Error: Send> + Send + Unpin + 'static,
{
    match inspection.and_then(|inspection| inspection.peek(&response, deadline)) {
        None => Inspection::NotNeeded(response.map(MaybePeeked::Unread)),
        Some(peek) => Inspection::Running(Box::pin(peek.run(response, timers.clone()))),
    }
}

impl BodyInspection {
    /// Returns `None` if the route inspects no bodies.
    pub(crate) fn from_config(retry: &Retry) -> Option<Self> {
        let inspection = Self { peek_quota: retry.peek_quota, hold_event_stream: retry.hold_event_stream };
        (inspection.peek_quota || inspection.hold_event_stream.is_some()).then_some(inspection)
    }

    /// Returns the read that this response needs, whose own deadline is never after `deadline`.
    fn peek<B: Body>(self, response: &Response<B>, deadline: Instant) -> Option<Peek> {
        let until = |time| deadline.min(Instant::now() + time);
        match (response.status(), self.hold_event_stream) {
            (StatusCode::OK, Some(time)) if content_type::is_event_stream(response.headers()) => {
                Some(Peek::FirstEvent(until(time)))
            }
            (StatusCode::TOO_MANY_REQUESTS, _)
                if self.peek_quota && content_type::is_json(response.headers()) =>
            {
                let is_small = response.body().size_hint().lower() <= quota::MAX_BYTES as u64;
                is_small.then(|| Peek::Quota(until(quota::MAX_WAIT)))
            }
            _ => None,
        }
    }
}

impl Peek {
    /// Reads the start of the body and returns the response, whose body still has all of its frames.
    async fn run<B>(self, response: Response<B>, timers: Alarms) -> Response<MaybePeeked<B>>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (head, body) = response.into_parts();
        let mut peeked = PeekedBody::new(body);
        let signal = match self {
            Self::Quota(deadline) => quota::find(&mut peeked, deadline, &timers).await,
            Self::FirstEvent(deadline) => event_stream::find(&mut peeked, deadline, &timers).await,
        };
        let mut response = Response::from_parts(head, MaybePeeked::Peeked(Box::new(peeked)));
        if let Some(signal) = signal {
            signal.set(&mut response);
        }
        response
    }
}

#[cfg(test)]
mod tests;
