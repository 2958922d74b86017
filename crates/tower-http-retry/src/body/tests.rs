mod reentrant;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;
use http_body_util::Full;
use http_retry::BodyState;
use testkit::bodies::{BodyEvent, FAILURE, Frames};

use super::*;
use crate::bounds::BytesBody;

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([(http::header::ETAG, http::HeaderValue::from_static("x"))])
}

fn replay_state<const N: usize>(script: [BodyEvent; N], limit: usize) -> ReplayState<Frames> {
    ReplayState::new(Frames::script(script), limit, None)
}

/// Counts its wakes.
#[derive(Default)]
struct WakeCounter(AtomicUsize);

impl Wake for WakeCounter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Polls the body once, and returns the result as text.
fn poll(body: &mut ReplayBody<Frames>) -> String {
    poll_with(body, Waker::noop())
}

fn poll_with(body: &mut ReplayBody<Frames>, waker: &Waker) -> String {
    match Pin::new(body).poll_frame(&mut Context::from_waker(waker)) {
        Poll::Pending => "pending".into(),
        Poll::Ready(None) => "end".into(),
        Poll::Ready(Some(Err(error))) => format!("error: {error}"),
        Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
            Ok(data) => String::from_utf8(data.to_vec()).unwrap(),
            Err(_) => "trailers".into(),
        },
    }
}

/// Returns the bytes that are left, and whether the body has ended, as the body reports them.
fn reported(body: &ReplayBody<Frames>) -> (Option<u64>, bool) {
    (body.size_hint().exact(), body.is_end_stream())
}

#[test]
fn a_replay_yields_the_saved_frames_and_then_reads_on() {
    let state =
        replay_state([BodyEvent::Data("one "), BodyEvent::Data("two "), BodyEvent::Data("three")], 100);
    let mut first = state.body();
    assert_eq!([poll(&mut first), poll(&mut first)], ["one ", "two "]);
    drop(first);

    let mut second = state.body();
    let read = [poll(&mut second), poll(&mut second), poll(&mut second), poll(&mut second)];
    assert_eq!(read, ["one ", "two ", "three", "end"]);
}

#[test]
fn the_size_hint_is_exact_after_each_frame() {
    let state = replay_state(
        [BodyEvent::Data("one "), BodyEvent::Data("three"), BodyEvent::Trailers(trailers())],
        100,
    );
    // The first attempt reads half of the body, the second replays that and reads the rest, the third replays
    // all of it.
    for attempt in 1..=3 {
        let mut body = state.body();
        assert_eq!(reported(&body), (Some(9), false), "attempt {attempt}");
        assert_eq!(poll(&mut body), "one ");
        assert_eq!(reported(&body), (Some(5), false), "attempt {attempt}");
        if attempt == 1 {
            continue;
        }
        assert_eq!(poll(&mut body), "three");
        assert_eq!(reported(&body), (Some(0), false), "trailers are to come");
        assert_eq!(poll(&mut body), "trailers");
        assert_eq!(reported(&body), (Some(0), true), "attempt {attempt}");
        assert_eq!(poll(&mut body), "end");
    }
}

#[test]
fn an_empty_body_has_ended_before_it_is_read() {
    let state = replay_state([], 0);
    for _ in 0..2 {
        let mut body = state.body();
        assert_eq!(reported(&body), (Some(0), true));
        assert_eq!(poll(&mut body), "end");
    }
    assert!(state.rewind());
    assert_eq!(state.state(), BodyState::Replayable);
}

#[test]
fn an_attempt_that_lost_the_body_gets_an_error_and_no_end() {
    let state = replay_state([BodyEvent::Data("one "), BodyEvent::Sleep, BodyEvent::Data("two ")], 100);
    let mut first = state.body();
    assert_eq!(poll(&mut first), "one ");
    let mut second = state.body();
    assert!(poll(&mut first).starts_with("error: a later attempt"));
    assert_eq!(reported(&first), (None, false));
    assert_eq!([poll(&mut second), poll(&mut second), poll(&mut second)], ["one ", "pending", "two "]);
}

#[test]
fn an_attempt_that_waits_is_woken_when_it_loses_the_body() {
    let state = replay_state([BodyEvent::Sleep], 100);
    let mut first = state.body();
    let woken = Arc::<WakeCounter>::default();
    assert_eq!(poll_with(&mut first, &Waker::from(Arc::clone(&woken))), "pending");
    assert_eq!(woken.0.load(Ordering::SeqCst), 0);
    assert!(state.rewind());
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    assert!(poll(&mut first).starts_with("error: a later attempt"));
}

#[test]
fn between_attempts_the_body_has_no_reader() {
    let state = replay_state([BodyEvent::Data("one "), BodyEvent::Data("two ")], 100);
    let mut first = state.body();
    assert_eq!(poll(&mut first), "one ");
    assert!(state.rewind());
    assert!(poll(&mut first).starts_with("error: a later attempt"));
    let mut second = state.body();
    assert_eq!([poll(&mut second), poll(&mut second)], ["one ", "two "]);
}

#[test]
fn a_body_over_the_limit_is_discarded_and_read_to_its_end() {
    let memory = ReplayMemory::new(100);
    let script = Frames::script([BodyEvent::Data("one "), BodyEvent::Data("two "), BodyEvent::Data("three")]);
    let state = ReplayState::new(script, 7, Some(&memory));
    let mut body = state.body();
    assert_eq!(poll(&mut body), "one ");
    assert_eq!((memory.used(), state.state()), (4, BodyState::Replayable));
    assert_eq!(poll(&mut body), "two ");
    assert_eq!((memory.used(), state.state()), (0, BodyState::TooLarge));
    assert_eq!(reported(&body), (Some(5), false));
    assert!(!state.rewind(), "another attempt cannot read the body");
    assert_eq!([poll(&mut body), poll(&mut body)], ["three", "end"]);
    assert_eq!(reported(&body), (Some(0), true));
}

#[test]
fn a_body_of_exactly_the_limit_is_saved() {
    for (limit, expected) in [(8, BodyState::Replayable), (7, BodyState::TooLarge)] {
        let state = replay_state([BodyEvent::Data("one "), BodyEvent::Data("two ")], limit);
        let mut body = state.body();
        while poll(&mut body) != "end" {}
        assert_eq!(state.state(), expected, "{limit}");
    }
}

#[test]
fn a_body_that_was_not_read_is_replayable_at_any_size() {
    let state = replay_state([BodyEvent::Data("one ")], 0);
    drop(state.body());
    assert!(state.rewind());
    assert_eq!(poll(&mut state.body()), "one ");
}

#[test]
fn a_body_that_failed_stays_failed() {
    let memory = ReplayMemory::new(100);
    let script = Frames::script([BodyEvent::Data("one "), BodyEvent::Fail]);
    let state = ReplayState::new(script, 100, Some(&memory));
    let mut body = state.body();
    assert_eq!([poll(&mut body), poll(&mut body)], ["one ", &format!("error: {FAILURE}")]);
    assert_eq!((state.state(), memory.used()), (BodyState::Failed, 0));
    assert!(!state.rewind());
    assert!(!body.is_end_stream(), "half of a body must not look complete");
}

#[test]
fn saved_frames_are_freed_as_the_last_attempt_reads_them() {
    let memory = ReplayMemory::new(100);
    let script = Frames::script([BodyEvent::Data("one "), BodyEvent::Data("two "), BodyEvent::Data("three")]);
    let state = ReplayState::new(script, 100, Some(&memory));
    let mut first = state.body();
    while poll(&mut first) != "end" {}
    let mut second = state.body();
    assert_eq!(poll(&mut second), "one ");
    assert_eq!(memory.used(), 13);
    drop(state);
    assert_eq!(memory.used(), 9, "frames that were read are freed");
    assert_eq!((poll(&mut second), memory.used()), ("two ".into(), 5));
    assert_eq!((poll(&mut second), memory.used()), ("three".into(), 0));
    assert_eq!(poll(&mut second), "end");
}

#[test]
fn memory_returns_to_the_pool_when_the_state_is_dropped() {
    let memory = ReplayMemory::new(100);
    let state = ReplayState::new(Frames::script([BodyEvent::Data("one ")]), 100, Some(&memory));
    let mut body = state.body();
    poll(&mut body);
    drop(body);
    assert_eq!(memory.used(), 4);
    drop(state);
    assert_eq!(memory.used(), 0);
}

#[test]
fn a_body_that_is_read_once_passes_through() {
    let mut body =
        ReplayBody::once(Frames::script([BodyEvent::Data("one "), BodyEvent::Trailers(trailers())]));
    assert_eq!(reported(&body), (Some(4), false));
    assert_eq!([poll(&mut body), poll(&mut body)], ["one ", "trailers"]);
    assert_eq!(reported(&body), (Some(0), true));
    assert_eq!(poll(&mut body), "end");
    assert_eq!(reported(&ReplayBody::once(Frames::new([]))), (Some(0), true));
}

#[test]
fn frames_are_shared_and_not_copied() {
    let data = Bytes::from(vec![7; 1_000]);
    let state = ReplayState::new(Full::new(data.clone()), 1_000, None);
    for _ in 0..2 {
        let mut body = state.body();
        let frame = Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Some(Ok(frame))) = frame else { panic!("expected a frame") };
        assert_eq!(frame.into_data().unwrap().as_ptr(), data.as_ptr());
    }
}

/// Checks that each attempt counts as polled by its own poll or its own `mark_polled`.
fn check_polled<B: BytesBody + Unpin + 'static>(body: B) {
    let state = ReplayState::new(body, 1_000, None);
    for polls in [true, false, true] {
        let mut attempt = state.body();
        assert!(!state.is_polled());
        if polls {
            let _ = Pin::new(&mut attempt).poll_frame(&mut Context::from_waker(Waker::noop()));
        } else {
            attempt.mark_polled();
        }
        assert!(state.is_polled());
        // A call on an older attempt's body has no effect.
        assert!(state.rewind());
        let mut older = std::mem::replace(&mut attempt, state.body());
        older.mark_polled();
        assert!(!state.is_polled());
    }
}

#[test]
fn a_poll_of_the_body_is_recorded() {
    check_polled(Full::<Bytes>::from("whole"));
    check_polled(Box::pin(Full::<Bytes>::from("whole")));
    check_polled(Frames::script([BodyEvent::Sleep, BodyEvent::Data("one")]));
    assert!(!ReplayState::new(Full::<Bytes>::default(), 1_000, None).is_polled());
}

#[test]
fn debug_shows_no_content_of_the_body() {
    let state = replay_state([BodyEvent::Data("secret")], 100);
    assert_eq!(format!("{:?}", state.body()), r#"ReplayBody("Shared")"#);
}

#[test]
fn each_attempt_gets_a_full_body_whole_and_shares_no_buffer() {
    let (data, memory) = (Bytes::from("whole"), ReplayMemory::new(8));
    let state = ReplayState::new(Full::new(data.clone()), 8, Some(&memory));
    assert_eq!((state.state(), memory.used()), (BodyState::Replayable, 5));
    for _ in 0..2 {
        let mut attempt = state.body();
        assert_eq!((attempt.size_hint().exact(), attempt.is_end_stream()), (Some(5), false));
        let frame = Pin::new(&mut attempt).poll_frame(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Some(Ok(frame))) = frame else { panic!("{frame:?}") };
        assert_eq!(frame.into_data().unwrap().as_ptr(), data.as_ptr());
        assert_eq!((attempt.size_hint().exact(), attempt.is_end_stream()), (Some(0), true));
        assert!(state.rewind());
    }
    drop(state);
    assert_eq!(memory.used(), 0);
}

#[test]
fn a_full_body_without_room_is_read_once_and_not_lost() {
    for (limit, memory) in [(4, None), (8, Some(ReplayMemory::new(4)))] {
        let state = ReplayState::new(Full::from("whole"), limit, memory.as_ref());
        let mut attempt = state.body();
        let frame = Pin::new(&mut attempt).poll_frame(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Some(Ok(frame))) = frame else { panic!("{frame:?}") };
        assert_eq!(frame.into_data().unwrap(), "whole");
        assert_eq!(state.state(), BodyState::TooLarge);
    }
}
