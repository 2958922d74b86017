use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use http::HeaderMap;
use http_body_util::Full;
use testkit::bodies::{FAILURE, Frames, Step};

use super::*;

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([(http::header::ETAG, http::HeaderValue::from_static("x"))])
}

fn original<const N: usize>(script: [Step; N], limit: usize) -> Original<Frames> {
    Original::new(Frames::script(script), limit, None)
}

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// One poll, as text.
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

/// What a body says of itself: the bytes that are left, and whether it has ended.
fn says(body: &ReplayBody<Frames>) -> (Option<u64>, bool) {
    (body.size_hint().exact(), body.is_end_stream())
}

#[test]
fn a_replay_yields_the_kept_frames_and_then_reads_on() {
    let original = original([Step::Data("one "), Step::Data("two "), Step::Data("three")], 100);
    let mut first = original.attempt();
    assert_eq!([poll(&mut first), poll(&mut first)], ["one ", "two "]);
    drop(first);

    let mut second = original.attempt();
    let read = [poll(&mut second), poll(&mut second), poll(&mut second), poll(&mut second)];
    assert_eq!(read, ["one ", "two ", "three", "end"]);
}

#[test]
fn every_step_says_exactly_what_is_left() {
    let original = original([Step::Data("one "), Step::Data("three"), Step::Trailers(trailers())], 100);
    // The first reads half of it, the second replays that and reads the rest, the third replays all of it.
    for attempt in 1..=3 {
        let mut body = original.attempt();
        assert_eq!(says(&body), (Some(9), false), "attempt {attempt}");
        assert_eq!(poll(&mut body), "one ");
        assert_eq!(says(&body), (Some(5), false), "attempt {attempt}");
        if attempt == 1 {
            continue;
        }
        assert_eq!(poll(&mut body), "three");
        assert_eq!(says(&body), (Some(0), false), "trailers are to come");
        assert_eq!(poll(&mut body), "trailers");
        assert_eq!(says(&body), (Some(0), true), "attempt {attempt}");
        assert_eq!(poll(&mut body), "end");
    }
}

#[test]
fn an_empty_body_has_ended_before_it_is_read() {
    let original = original([], 0);
    for _ in 0..2 {
        let mut body = original.attempt();
        assert_eq!(says(&body), (Some(0), true));
        assert_eq!(poll(&mut body), "end");
    }
    assert!(original.reclaim());
    assert_eq!(original.state(), BodyState::Replayable);
}

#[test]
fn an_attempt_that_lost_the_body_gets_an_error_and_no_end() {
    let original = original([Step::Data("one "), Step::Sleep, Step::Data("two ")], 100);
    let mut first = original.attempt();
    assert_eq!(poll(&mut first), "one ");
    let mut second = original.attempt();
    assert!(poll(&mut first).starts_with("error: a later attempt"));
    assert_eq!(says(&first), (None, false));
    assert_eq!([poll(&mut second), poll(&mut second), poll(&mut second)], ["one ", "pending", "two "]);
}

#[test]
fn an_attempt_that_waits_is_woken_when_it_loses_the_body() {
    let original = original([Step::Sleep], 100);
    let mut first = original.attempt();
    let woken = Arc::<Woken>::default();
    assert_eq!(poll_with(&mut first, &Waker::from(Arc::clone(&woken))), "pending");
    assert_eq!(woken.0.load(Ordering::SeqCst), 0);
    assert!(original.reclaim());
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    assert!(poll(&mut first).starts_with("error: a later attempt"));
}

#[test]
fn between_attempts_nobody_has_the_body() {
    let original = original([Step::Data("one "), Step::Data("two ")], 100);
    let mut first = original.attempt();
    assert_eq!(poll(&mut first), "one ");
    assert!(original.reclaim());
    assert!(poll(&mut first).starts_with("error: a later attempt"));
    let mut second = original.attempt();
    assert_eq!([poll(&mut second), poll(&mut second)], ["one ", "two "]);
}

#[test]
fn a_body_over_the_limit_is_forgotten_and_read_to_its_end() {
    let memory = ReplayMemory::new(100);
    let script = Frames::script([Step::Data("one "), Step::Data("two "), Step::Data("three")]);
    let original = Original::new(script, 7, Some(&memory));
    let mut body = original.attempt();
    assert_eq!(poll(&mut body), "one ");
    assert_eq!((memory.used(), original.state()), (4, BodyState::Replayable));
    assert_eq!(poll(&mut body), "two ");
    assert_eq!((memory.used(), original.state()), (0, BodyState::TooLarge));
    assert_eq!(says(&body), (Some(5), false));
    assert!(!original.reclaim(), "there is nothing to give to another attempt");
    assert_eq!([poll(&mut body), poll(&mut body)], ["three", "end"]);
    assert_eq!(says(&body), (Some(0), true));
}

#[test]
fn a_body_of_just_the_limit_is_kept() {
    for (limit, expected) in [(8, BodyState::Replayable), (7, BodyState::TooLarge)] {
        let original = original([Step::Data("one "), Step::Data("two ")], limit);
        let mut body = original.attempt();
        while poll(&mut body) != "end" {}
        assert_eq!(original.state(), expected, "{limit}");
    }
}

#[test]
fn a_body_that_was_not_read_is_whole_whatever_its_size() {
    let original = original([Step::Data("one ")], 0);
    drop(original.attempt());
    assert!(original.reclaim());
    assert_eq!(poll(&mut original.attempt()), "one ");
}

#[test]
fn a_body_that_failed_is_poisoned() {
    let memory = ReplayMemory::new(100);
    let script = Frames::script([Step::Data("one "), Step::Fail]);
    let original = Original::new(script, 100, Some(&memory));
    let mut body = original.attempt();
    assert_eq!([poll(&mut body), poll(&mut body)], ["one ", &format!("error: {FAILURE}")]);
    assert_eq!((original.state(), memory.used()), (BodyState::Failed, 0));
    assert!(!original.reclaim());
    assert!(!body.is_end_stream(), "half of a body does not look whole");
}

#[test]
fn what_is_released_is_freed_as_it_is_read() {
    let memory = ReplayMemory::new(100);
    let script = Frames::script([Step::Data("one "), Step::Data("two "), Step::Data("three")]);
    let original = Original::new(script, 100, Some(&memory));
    let mut first = original.attempt();
    while poll(&mut first) != "end" {}
    let mut second = original.attempt();
    assert_eq!(poll(&mut second), "one ");
    assert_eq!(memory.used(), 13);
    drop(original);
    assert_eq!(memory.used(), 9, "what is read is freed");
    assert_eq!((poll(&mut second), memory.used()), ("two ".into(), 5));
    assert_eq!((poll(&mut second), memory.used()), ("three".into(), 0));
    assert_eq!(poll(&mut second), "end");
}

#[test]
fn memory_goes_back_with_the_last_who_holds_it() {
    let memory = ReplayMemory::new(100);
    let original = Original::new(Frames::script([Step::Data("one ")]), 100, Some(&memory));
    let mut body = original.attempt();
    poll(&mut body);
    drop(body);
    assert_eq!(memory.used(), 4);
    drop(original);
    assert_eq!(memory.used(), 0);
}

#[test]
fn a_body_that_is_read_once_is_itself() {
    let mut body = ReplayBody::once(Frames::script([Step::Data("one "), Step::Trailers(trailers())]));
    assert_eq!(says(&body), (Some(4), false));
    assert_eq!([poll(&mut body), poll(&mut body)], ["one ", "trailers"]);
    assert_eq!(says(&body), (Some(0), true));
    assert_eq!(poll(&mut body), "end");
    assert_eq!(says(&ReplayBody::once(Frames::new([]))), (Some(0), true));
}

#[test]
fn frames_are_shared_and_not_copied() {
    let data = Bytes::from(vec![7; 1_000]);
    let original = Original::new(Full::new(data.clone()), 1_000, None);
    for _ in 0..2 {
        let mut body = original.attempt();
        let frame = Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Some(Ok(frame))) = frame else { panic!("a frame was to come") };
        assert_eq!(frame.into_data().unwrap().as_ptr(), data.as_ptr());
    }
}

/// Each attempt asks for itself, by a poll or because somebody says so.
fn check_asked<B: BytesBody + Unpin + 'static>(body: B) {
    let original = Original::new(body, 1_000, None);
    for polls in [true, false, true] {
        let mut attempt = original.attempt();
        assert!(!original.is_asked());
        if polls {
            let _ = Pin::new(&mut attempt).poll_frame(&mut Context::from_waker(Waker::noop()));
        } else {
            attempt.begin();
        }
        assert!(original.is_asked());
        // An older one has no say any more.
        assert!(original.reclaim());
        let mut older = std::mem::replace(&mut attempt, original.attempt());
        older.begin();
        assert!(!original.is_asked());
    }
}

#[test]
fn whether_an_attempt_asked_for_the_body_is_known() {
    check_asked(Full::<Bytes>::from("whole"));
    check_asked(Box::pin(Full::<Bytes>::from("whole")));
    check_asked(Frames::script([Step::Sleep, Step::Data("one")]));
    assert!(!Original::new(Full::<Bytes>::default(), 1_000, None).is_asked());
}

#[test]
fn debug_shows_nothing_of_the_body() {
    let original = original([Step::Data("secret")], 100);
    assert_eq!(format!("{:?}", original.attempt()), r#"ReplayBody("Shared")"#);
}

#[test]
fn a_full_body_is_given_whole_to_each_attempt_and_nothing_is_shared() {
    let (data, memory) = (Bytes::from("whole"), ReplayMemory::new(8));
    let original = Original::new(Full::new(data.clone()), 8, Some(&memory));
    assert_eq!((original.state(), memory.used()), (BodyState::Replayable, 5));
    for _ in 0..2 {
        let mut attempt = original.attempt();
        assert_eq!((attempt.size_hint().exact(), attempt.is_end_stream()), (Some(5), false));
        let frame = Pin::new(&mut attempt).poll_frame(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Some(Ok(frame))) = frame else { panic!("{frame:?}") };
        assert_eq!(frame.into_data().unwrap().as_ptr(), data.as_ptr());
        assert_eq!((attempt.size_hint().exact(), attempt.is_end_stream()), (Some(0), true));
        assert!(original.reclaim());
    }
    drop(original);
    assert_eq!(memory.used(), 0);
}

#[test]
fn a_full_body_for_which_there_is_no_room_is_read_once_and_not_lost() {
    for (limit, memory) in [(4, None), (8, Some(ReplayMemory::new(4)))] {
        let original = Original::new(Full::from("whole"), limit, memory.as_ref());
        let mut attempt = original.attempt();
        let frame = Pin::new(&mut attempt).poll_frame(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Some(Ok(frame))) = frame else { panic!("{frame:?}") };
        assert_eq!(frame.into_data().unwrap(), "whole");
        assert_eq!(original.state(), BodyState::TooLarge);
    }
}
