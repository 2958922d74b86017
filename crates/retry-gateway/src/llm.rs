//! What is looked at beyond a response's head, where a server says what matters in its body: a quota that is gone in
//! that of a 429, and a failure in the first event of a stream.
//!
//! What is found counts as another status from here to the client, so that whoever reads heads does what is right
//! without knowing why: policy, pace, budget and log. The client gets the status that the server said.

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

pub(crate) use self::body_signal::Mark;
pub(crate) use self::idempotency_key::mint;
use self::peeked_body::Begun;
pub(crate) use self::peeked_body::Cared;
use crate::config::RetryConfig;
use crate::time::pooled_timeout::TimerPool;

/// What a route has looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Care {
    peeks_quota: bool,
    hold: Option<Duration>,
}

/// One look at the beginning of a body, until then.
#[derive(Clone, Copy, Debug)]
enum Look {
    /// At a refusal.
    Quota(Instant),
    /// At a stream's first event.
    FirstEvent(Instant),
}

/// A response, or what looks at its body first.
pub(crate) enum Caring<B: Body> {
    Done(Response<Cared<B>>),
    /// Boxed, because most responses are not looked at, and each attempt would have to have room for it.
    Looking(Pin<Box<dyn Future<Output = Response<Cared<B>>> + Send>>),
}

/// Looks at a response where that is worth it, until then at the latest.
pub(crate) fn begin<B>(
    care: Option<Care>,
    response: Response<B>,
    latest: Instant,
    alarms: &TimerPool,
) -> Caring<B>
where
    B: Body<Data = Bytes, Error: Send> + Send + Unpin + 'static,
{
    match care.and_then(|care| care.look(&response, latest)) {
        None => Caring::Done(response.map(Cared::Whole)),
        Some(look) => Caring::Looking(Box::pin(look.take(response, alarms.clone()))),
    }
}

impl Care {
    /// `None` where there is nothing to look at.
    pub(crate) fn of(retry: &RetryConfig) -> Option<Self> {
        let care = Self { peeks_quota: retry.peek_quota, hold: retry.hold_event_stream };
        (care.peeks_quota || care.hold.is_some()).then_some(care)
    }

    /// Whether this response is worth a look, and until when, which is never after `latest`.
    fn look<B: Body>(self, response: &Response<B>, latest: Instant) -> Option<Look> {
        let until = |time| latest.min(Instant::now() + time);
        match (response.status(), self.hold) {
            (StatusCode::OK, Some(time)) if content_type::is_event_stream(response.headers()) => {
                Some(Look::FirstEvent(until(time)))
            }
            (StatusCode::TOO_MANY_REQUESTS, _)
                if self.peeks_quota && content_type::is_json(response.headers()) =>
            {
                let is_short = response.body().size_hint().lower() <= quota::MOST as u64;
                is_short.then(|| Look::Quota(until(quota::TIME)))
            }
            _ => None,
        }
    }
}

impl Look {
    /// Reads the beginning of the body, and gives back a response that still has all of it.
    async fn take<B>(self, response: Response<B>, alarms: TimerPool) -> Response<Cared<B>>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (head, body) = response.into_parts();
        let mut begun = Begun::new(body);
        let mark = match self {
            Self::Quota(until) => quota::find(&mut begun, until, &alarms).await,
            Self::FirstEvent(until) => event_stream::find(&mut begun, until, &alarms).await,
        };
        let mut response = Response::from_parts(head, Cared::Begun(Box::new(begun)));
        if let Some(mark) = mark {
            mark.set(&mut response);
        }
        response
    }
}

#[cfg(test)]
mod tests;
