//! Inspection of response bodies of language model APIs: the body of a refusal may say that a quota is used up or how long to
//! wait, and a stream or an answer may begin with a failure.
//!
//! Of a request, it finds the model that the body names.
//!
//! A response with such a body carries another status inside the gateway, so that the policy, the pace, the budget and
//! the log, which only read heads, treat it correctly. The client gets the server's status.

mod amazon_frame;
mod answer;
mod body_signal;
mod broken_stream;
mod byte_order_mark;
mod content_type;
mod decode;
mod error_body;
mod error_words;
mod event_parser;
mod frame_parser;
mod idempotency_key;
mod json;
mod model_scan;
mod peeked_body;
mod refusal;
mod request_model;
mod signed_request;
mod stream_api;
mod stream_start;

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body::Body;
use tokio::time::Instant;

pub(crate) use self::body_signal::BodySignal;
use self::broken_stream::{EventsEnd, FramesEnd, ListEnd, StreamEnd};
use self::content_type::ContentType;
pub(crate) use self::content_type::is_json_type;
use self::decode::BodyDecoder;
use self::event_parser::Parser;
use self::frame_parser::FrameParser;
pub(crate) use self::idempotency_key::add_idempotency_key;
pub(crate) use self::peeked_body::{MaybePeeked, PeekedBody};
pub(crate) use self::request_model::{BodyModel, ModelReading, may_name_model, model_in};
pub(crate) use self::signed_request::signature_time_left;
use crate::config::RetryConfig;
use crate::time::pooled_timeout::TimerPool;

/// The parts of response bodies that a route inspects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyInspection {
    peek_quota: bool,
    hold_event_stream: Option<Duration>,
}

/// One read of the start of a body, up to a deadline.
struct Peek {
    part: BodyPart,
    deadline: Instant,
    decoder: BodyDecoder,
}

/// The part of a body that the gateway reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BodyPart {
    /// All of the body of a refusal.
    Refusal,
    /// An event stream up to the end of the first event that is more than a sign of life.
    EventStream,
    /// An answer up to the first field that tells what it is.
    Answer { peek_quota: bool },
    /// Frames of AWS up to the first that is more than a sign of life.
    Frames,
}

/// A response, or the future that inspects its body first.
pub(crate) enum Inspection<B: Body> {
    NotNeeded(Response<MaybePeeked<B>>),
    /// The future is boxed because most responses are not inspected, and an unboxed one would enlarge each attempt.
    Running(Pin<Box<dyn Future<Output = Inspected<B>> + Send>>),
}

/// A response whose body was inspected, or the error that broke it off while the client had nothing of it.
pub(crate) type Inspected<B> = Result<Response<MaybePeeked<B>>, <B as Body>::Error>;

/// Inspects a response's body, if its route and its head ask for it, until `deadline` at the latest. `deadline` is only
/// called if the route inspects bodies.
pub(crate) fn inspect<B>(
    inspection: Option<BodyInspection>,
    response: Response<B>,
    deadline: impl FnOnce() -> Instant,
    timers: &TimerPool,
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
    pub(crate) fn from_config(retry: &RetryConfig) -> Option<Self> {
        let inspection = Self { peek_quota: retry.peek_quota, hold_event_stream: retry.hold_event_stream };
        (inspection.peek_quota || inspection.hold_event_stream.is_some()).then_some(inspection)
    }

    /// Returns the read that this response needs, whose own deadline is never after `deadline`.
    fn peek<B: Body>(self, response: &Response<B>, deadline: impl FnOnce() -> Instant) -> Option<Peek> {
        let headers = response.headers();
        let (part, time) = match (response.status().as_u16(), self.hold_event_stream) {
            (200, Some(time)) => match ContentType::of(headers)? {
                ContentType::EventStream => (BodyPart::EventStream, time),
                ContentType::Json => (BodyPart::Answer { peek_quota: self.peek_quota }, time),
                ContentType::AmazonEventStream => (BodyPart::Frames, time),
            },
            (403 | 429 | 503 | 529, _) if self.peek_quota && content_type::is_json(headers) => {
                let is_small = response.body().size_hint().lower() <= refusal::MAX_BYTES as u64;
                is_small.then_some((BodyPart::Refusal, refusal::MAX_WAIT))?
            }
            _ => return None,
        };
        let decoder = BodyDecoder::new(headers)?;
        Some(Peek { part, deadline: deadline().min(Instant::now() + time), decoder })
    }
}

impl Peek {
    /// Reads the start of the body and returns the response, whose body still has all of its frames. Returns the error of a
    /// stream or an answer that breaks off before it has told what it is. A refusal stays one when it breaks off.
    async fn run<B>(mut self, response: Response<B>, timers: TimerPool) -> Inspected<B>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (head, body) = response.into_parts();
        let mut peeked = PeekedBody::new(body);
        let (decoder, deadline) = (&mut self.decoder, self.deadline);
        let mut end = None;
        let finding = match self.part {
            BodyPart::Refusal => refusal::find(&mut peeked, decoder, deadline, &timers).await,
            BodyPart::EventStream => {
                let mut parser = Parser::default();
                let finding = stream_start::find(&mut parser, &mut peeked, decoder, deadline, &timers).await;
                end = Some(StreamEnd::Events(EventsEnd::new(parser)));
                finding
            }
            BodyPart::Answer { peek_quota } => {
                end = Some(StreamEnd::List(ListEnd::default()));
                answer::find(&mut peeked, decoder, deadline, &timers, peek_quota).await
            }
            BodyPart::Frames => {
                end = Some(StreamEnd::Frames(FramesEnd::default()));
                let mut parser = FrameParser::default();
                stream_start::find(&mut parser, &mut peeked, decoder, deadline, &timers).await
            }
        };
        // A body of a length that the head names has no room for an error.
        if let Some(end) = end
            && decoder.is_identity()
            && peeked.size_hint().exact().is_none()
        {
            peeked.follow(end);
        }
        if self.part != BodyPart::Refusal
            && let Some(error) = peeked.take_error()
        {
            return Err(error);
        }
        let mut response = Response::from_parts(head, MaybePeeked::Peeked(Box::new(peeked)));
        finding.set(&mut response);
        Ok(response)
    }
}

#[cfg(test)]
mod tests;
