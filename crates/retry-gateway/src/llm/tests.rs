use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::header;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;

use super::*;

/// A body that arrives in these pieces, and then ends, fails or stays open.
#[derive(Debug)]
struct Pieces(VecDeque<Bytes>, End);

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Whole,
    Broken,
    Open,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        match (self.0.pop_front(), self.1) {
            (Some(piece), _) => Poll::Ready(Some(Ok(Frame::data(piece)))),
            (None, End::Whole) => Poll::Ready(None),
            (None, End::Broken) => Poll::Ready(Some(Err("broken"))),
            (None, End::Open) => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty() && self.1 == End::Whole
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|piece| piece.len() as u64).sum())
    }
}

const INSPECTION: BodyInspection =
    BodyInspection { peek_quota: true, hold_event_stream: Some(Duration::from_secs(10)) };

/// Compressed bodies are read, and arrive as they were sent.
#[tokio::test]
async fn a_compressed_body_is_read_and_passed_on_as_it_came() {
    let cases = [(429, JSON, GONE, 402), (200, EVENTS, FAILED, 529), (200, JSON, GONE, 402)];
    let encodings = ["gzip", "deflate", "br", "zstd"].into_iter();
    for (encoding, (status, kind, text, expected)) in
        encodings.flat_map(|encoding| cases.map(|case| (encoding, case)))
    {
        let packed = decode::tests::packed(encoding, text.as_bytes());
        let pieces = packed.chunks(7).map(Bytes::copy_from_slice).collect();
        let response = Response::builder().status(status).header(header::CONTENT_TYPE, kind);
        let response =
            response.header(header::CONTENT_ENCODING, encoding).body(Pieces(pieces, End::Whole)).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut response = match inspect(Some(INSPECTION), response, || deadline, &TimerPool::default()) {
            Inspection::NotNeeded(_) => panic!("{encoding} {kind} is not read"),
            Inspection::Running(future) => future.await.unwrap(),
        };
        assert_eq!(response.status(), expected, "{encoding} {kind}");
        BodySignal::clear(&mut response);
        assert_eq!(response.status(), status);
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), packed, "{encoding} {kind}");
    }
}

/// Inspects a response. Returns the status that it is treated as and the time that took, and checks that its body is
/// complete.
async fn inspected(status: u16, kind: &str, pieces: &[&str], end: End) -> (u16, Duration) {
    let body = Pieces(pieces.iter().map(|piece| Bytes::copy_from_slice(piece.as_bytes())).collect(), end);
    let response = Response::builder().status(status).header(header::CONTENT_TYPE, kind).body(body).unwrap();
    let size = response.body().size_hint().exact();
    let started_at = Instant::now();
    let timers = TimerPool::default();
    let mut response =
        match inspect(Some(INSPECTION), response, || started_at + Duration::from_secs(60), &timers) {
            Inspection::NotNeeded(response) => response,
            Inspection::Running(future) => match future.await {
                Ok(response) => response,
                Err(error) => {
                    assert_eq!((error, end), ("broken", End::Broken));
                    return (BROKEN, started_at.elapsed());
                }
            },
        };
    let (treated_as, took) = (response.status().as_u16(), started_at.elapsed());
    BodySignal::clear(&mut response);
    assert_eq!(response.status(), status);
    assert_eq!(response.body().size_hint().exact(), size);
    let mut body = response.into_body();
    let mut left = Vec::new();
    while left.len() < size.unwrap() as usize {
        assert!(!body.is_end_stream());
        left.extend_from_slice(&body.frame().await.unwrap().unwrap().into_data().unwrap());
    }
    assert_eq!(left, pieces.concat().as_bytes());
    match end {
        End::Open => {}
        End::Whole => {
            assert!(body.frame().await.is_none() && body.frame().await.is_none() && body.is_end_stream())
        }
        End::Broken => assert_eq!(body.frame().await.unwrap().unwrap_err(), "broken"),
    }
    (treated_as, took)
}

/// Stands for the status of a response that broke off while all of it was held.
const BROKEN: u16 = 0;

#[track_caller]
fn check(status: u16, kind: &str, pieces: &[&str], end: End, treated_as: u16, seconds: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let (counted, took) = runtime.unwrap().block_on(inspected(status, kind, pieces, end));
    assert_eq!((counted, took.as_secs()), (treated_as, seconds), "{status} {kind} {pieces:?} {end:?}");
}

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";
const GONE: &str = "{\"error\":{\"code\":\"insufficient_quota\"}}";
const FAILED: &str = "data: {\"error\":{\"type\":\"server_error\"}}\n\n";

#[test]
fn the_body_of_a_429_is_read_to_its_end_or_not_at_all() {
    check(429, JSON, &[GONE], End::Whole, 402, 0);
    check(429, JSON, &[&GONE[..5], &GONE[5..]], End::Whole, 402, 0);
    check(429, JSON, &[GONE], End::Open, 429, 1);
    check(429, JSON, &[GONE], End::Broken, 429, 0);
    check(429, JSON, &[], End::Whole, 429, 0);
    check(429, JSON, &["{\"error\":{\"code\":\"rate_limit_exceeded\"}}"], End::Whole, 429, 0);
    check(429, JSON, &[GONE, &" ".repeat(refusal::MAX_BYTES)], End::Whole, 429, 0);
    check(429, JSON, &["{\"error\":{\"message\":\"Request too large for x\"}}"], End::Whole, 402, 0);
    check(403, JSON, &[GONE], End::Whole, 402, 0);
    check(429, "text/plain", &[GONE], End::Open, 429, 0);
    check(400, JSON, &[GONE], End::Open, 400, 0);
    check(402, JSON, &[GONE], End::Open, 402, 0);
}

#[test]
fn a_stream_is_held_until_its_first_event() {
    check(200, EVENTS, &[FAILED], End::Open, 529, 0);
    check(200, EVENTS, &[": life\n", FAILED, "data: more\n\n"], End::Whole, 529, 0);
    check(200, EVENTS, &["data: hello\n\n", FAILED], End::Open, 200, 0);
    check(200, EVENTS, &[": life\n"], End::Open, 200, 10);
    check(200, EVENTS, &[&FAILED[..9]], End::Broken, BROKEN, 0);
    check(200, JSON, &["{\"id\":"], End::Broken, BROKEN, 0);
    check(200, EVENTS, &[], End::Whole, 200, 0);
    check(200, EVENTS, &[&":".repeat(70_000), "\n", FAILED], End::Whole, 200, 0);
    check(200, EVENTS, &[&":\n".repeat(30_000), FAILED], End::Open, 529, 0);
    check(201, EVENTS, &[FAILED], End::Open, 201, 0);
    check(529, JSON, &[FAILED], End::Open, 529, 1);
    check(500, JSON, &[FAILED], End::Open, 500, 0);
}

#[test]
fn a_stream_is_held_over_its_signs_of_life() {
    let created = "data: {\"type\":\"response.created\",\"response\":{}}\n\n";
    let started = "data: {\"type\":\"message_start\",\"message\":{}}\n\n";
    let delta = "data: {\"type\":\"response.output_text.delta\",\"delta\":\"hi\"}\n\n";
    check(200, EVENTS, &[created, started, FAILED], End::Open, 529, 0);
    check(200, EVENTS, &[created, delta, FAILED], End::Open, 200, 0);
    check(200, EVENTS, &[created], End::Open, 200, 10);
    check(200, EVENTS, &[created], End::Whole, 200, 0);
}

#[test]
fn an_answer_is_held_until_its_first_field_that_tells_it() {
    let limited = "{\"error\":{\"code\":429,\"message\":\"..\"}}";
    check(200, JSON, &[limited], End::Open, 429, 0);
    check(200, JSON, &["\n \n", &limited[..9], &limited[9..]], End::Whole, 429, 0);
    check(200, JSON, &["{\"error\":{\"code\":502}}"], End::Whole, 529, 0);
    check(200, JSON, &["\u{feff}", limited], End::Open, 429, 0);
    check(200, JSON, &["{\"id\":1,\"choices\":["], End::Open, 200, 0);
    check(200, JSON, &["{\"id\":\"", &"x".repeat(2_000)], End::Open, 200, 0);
    check(200, JSON, &["\n"], End::Open, 200, 10);
    // An answer that has begun is not held for what it may become.
    check(200, JSON, &["{\"id\":1,"], End::Open, 200, 0);
    check(200, JSON, &["\n", "{\"id\":1,", "\"object\":2,"], End::Open, 200, 0);
    check(200, JSON, &["{\"id\":1,", &limited[1..]], End::Open, 429, 0);
    check(200, JSON, &[GONE], End::Open, 402, 0);
    check(200, JSON, &["{\"error\":{\"code\":401}}"], End::Whole, 200, 0);
    check(201, JSON, &[limited], End::Whole, 201, 0);
}

#[test]
fn an_unread_body_is_no_larger() {
    use hyper::body::Incoming;
    assert_eq!(size_of::<MaybePeeked<Incoming>>(), size_of::<Incoming>());
}

/// Frames that the retry layer has read come first, whether the body was looked at before or not.
#[tokio::test]
async fn frames_that_are_put_back_are_read_again() {
    let frames = || VecDeque::from([Frame::data(Bytes::from("one "))]);
    for is_looked_at in [false, true] {
        for (has_ended, expected) in [(false, "one two three"), (true, "one two ")] {
            let mut body = MaybePeeked::Unread(Pieces([Bytes::from("three")].into(), End::Whole));
            let looked_at = VecDeque::from([Frame::data(Bytes::from("two "))]);
            body = if is_looked_at { body.put_back(looked_at, false) } else { body };
            let body = body.put_back(frames(), has_ended);
            assert!(!body.is_end_stream());
            let read = body.collect().await.unwrap().to_bytes();
            let expected = if is_looked_at { expected.to_owned() } else { expected.replace("two ", "") };
            assert_eq!(read, expected, "{is_looked_at} {has_ended}");
        }
    }
}

#[test]
fn an_inspection_ends_with_the_attempt() {
    let response = Response::builder().header(header::CONTENT_TYPE, EVENTS);
    let response = response.body(Pieces(VecDeque::new(), End::Open)).unwrap();
    let now = Instant::now();
    let peek = INSPECTION.peek(&response, || now + Duration::from_secs(2));
    assert!(peek.is_some_and(
        |peek| peek.part == BodyPart::EventStream && peek.deadline == now + Duration::from_secs(2)
    ));
}
