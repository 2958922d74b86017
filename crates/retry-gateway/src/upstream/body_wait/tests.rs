use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;

use super::*;
use crate::connection::info::ConnectionInfo;
use crate::message::trailers::RequestTrailers;
use crate::telemetry::RequestSpan;
use crate::telemetry::request_log::RequestLog;
use crate::upstream::request_body::RequestBody;

fn limits(min_rate: Option<u32>) -> BodyLimits {
    BodyLimits { timers: TimerPool::default(), timeout: Duration::from_secs(20), min_rate }
}

/// Sends pieces of a body with a pause before each, and returns the seconds until it fails, and how.
async fn fails_after(
    min_rate: Option<u32>,
    pause: u64,
    piece: usize,
    pieces: usize,
) -> Option<(u64, BodyFailure)> {
    let (limits, clock, began) = (limits(min_rate), RequestClock::new(), Instant::now());
    let mut wait = BodyWait::new(&limits);
    for _ in 0..pieces {
        let frame = tokio::time::sleep(Duration::from_secs(pause));
        tokio::pin!(frame);
        let failure = std::future::poll_fn(|cx| match frame.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(wait.on_frame(piece, &limits, &clock).err()),
            Poll::Pending => wait.poll(cx, &limits, &clock).map(Some),
        });
        if let Some(failure) = failure.await {
            return Some((began.elapsed().as_secs(), failure));
        }
        assert!(!clock.is_stopped());
    }
    assert!(
        clock.stopped_for() <= began.elapsed() && clock.stopped_for().as_secs() >= pause * pieces as u64 - 1
    );
    None
}

#[tokio::test(start_paused = true)]
async fn a_body_is_bounded_by_its_pauses_and_by_its_rate() {
    use BodyFailure::{Timeout, TooSlow};
    assert_eq!(fails_after(Some(500), 25, 1_000_000, 9).await, Some((20, Timeout)));
    assert_eq!(fails_after(None, 25, 1_000_000, 9).await, Some((20, Timeout)));
    // A byte now and then keeps the pauses short.
    assert_eq!(fails_after(Some(500), 1, 1, 900).await, Some((30, TooSlow)));
    assert_eq!(fails_after(None, 1, 1, 900).await, None);
    assert_eq!(fails_after(Some(500), 1, 499, 900).await, Some((30, TooSlow)));
    assert_eq!(fails_after(Some(500), 1, 600, 900).await, None);
    assert_eq!(fails_after(Some(500), 5, 3_100, 90).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_was_fast_may_be_slow_for_one_window_at_most() {
    let (limits, clock) = (limits(Some(500)), RequestClock::new());
    let mut wait = BodyWait::new(&limits);
    let noop = &mut Context::from_waker(std::task::Waker::noop());
    assert!(wait.poll(noop, &limits, &clock).is_pending());
    tokio::time::advance(Duration::from_secs(4)).await;
    wait.on_frame(1_000_000, &limits, &clock).unwrap();
    let slow_since = Instant::now();
    let failure = loop {
        assert!(wait.poll(noop, &limits, &clock).is_pending());
        tokio::time::advance(Duration::from_secs(1)).await;
        if let Err(failure) = wait.on_frame(1, &limits, &clock) {
            break failure;
        }
    };
    let slow_for = slow_since.elapsed().as_secs();
    assert!(failure == BodyFailure::TooSlow && (30..=35).contains(&slow_for), "{failure:?} {slow_for}");
}

/// Between two attempts no attempt reads the body, and the client may have sent all of it.
#[tokio::test(start_paused = true)]
async fn a_pause_in_which_no_attempt_reads_is_not_the_clients() {
    let (limits, clock) = (limits(Some(500)), RequestClock::new());
    let mut wait = BodyWait::new(&limits);
    let noop = &mut Context::from_waker(std::task::Waker::noop());
    for _ in 0..9 {
        assert!(wait.poll(noop, &limits, &clock).is_pending());
        tokio::time::advance(Duration::from_secs(3)).await;
        // The attempt ends, and the next one begins much later.
        clock.start();
        tokio::time::advance(Duration::from_secs(100)).await;
    }
    assert_eq!(clock.stopped_for(), Duration::from_secs(27));
    // The time of a wait that was broken off is not counted either.
    assert!(wait.poll(noop, &limits, &clock).is_pending());
    tokio::time::advance(Duration::from_secs(19)).await;
    assert!(wait.poll(noop, &limits, &clock).is_pending());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(wait.poll(noop, &limits, &clock), Poll::Ready(BodyFailure::Timeout));
}

/// While a response is under way its client may be silent. If the upload goes on after it, it is bounded again.
#[tokio::test(start_paused = true)]
async fn a_body_may_pause_while_its_response_is_under_way() {
    for min_rate in [None, Some(500)] {
        let (limits, clock) = (limits(min_rate), RequestClock::new());
        let mut wait = BodyWait::new(&limits);
        let noop = &mut Context::from_waker(std::task::Waker::noop());
        // The attempt waits for the body, and then the response begins.
        assert!(wait.poll(noop, &limits, &clock).is_pending());
        tokio::time::advance(Duration::from_secs(19)).await;
        clock.start();
        clock.set_responding(true);
        for _ in 0..50 {
            tokio::time::advance(Duration::from_secs(3)).await;
            assert!(wait.poll(noop, &limits, &clock).is_pending());
        }
        assert_eq!(clock.stopped_for(), Duration::from_secs(19));
        for _ in 0..9 {
            tokio::time::advance(Duration::from_secs(50)).await;
            assert_eq!(wait.on_frame(1, &limits, &clock), Ok(()));
            assert!(wait.poll(noop, &limits, &clock).is_pending());
        }
        // The response ends. Nobody polls the body for that, but its timer.
        clock.set_responding(false);
        let ended = Instant::now();
        let failure = std::future::poll_fn(|cx| wait.poll(cx, &limits, &clock)).await;
        assert_eq!(failure, BodyFailure::Timeout);
        assert!((20..=40).contains(&ended.elapsed().as_secs()), "{:?}", ended.elapsed());
    }
}

/// A client of HTTP/1.1 sends a byte every 5 s, through hyper.
#[tokio::test(start_paused = true)]
async fn a_request_whose_body_trickles_ends() {
    let (mut client, server) = tokio::io::duplex(1_024);
    let body_limits = Arc::new(limits(Some(500)));
    let service = service_fn(move |request: Request<Incoming>| {
        let connection = ConnectionInfo::new(std::net::Ipv4Addr::LOCALHOST.into(), false, false);
        let request_log = RequestLog::new(false, RequestSpan::new(&request, &connection));
        let trailers = RequestTrailers { keeps_underscores: false };
        let body = RequestBody::new(request.into_body(), trailers, &body_limits, &request_log);
        async move {
            let began = Instant::now();
            let result = body.collect().await;
            assert!(result.is_err() && request_log.body_failure() == Some(BodyFailure::TooSlow));
            assert_eq!(began.elapsed().as_secs(), 30);
            Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::default()))
        }
    });
    let server = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(server), service);
    let client = async move {
        client.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n").await.unwrap();
        while client.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    };
    let (_, served) = tokio::join!(client, tokio::time::timeout(Duration::from_secs(60), server));
    assert!(served.is_ok(), "the request does not end");
}
