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
    let mut first = original.body();
    assert_eq!([poll(&mut first), poll(&mut first)], ["one ", "two "]);
    drop(first);

    let mut second = original.body();
    let read = [poll(&mut second), poll(&mut second), poll(&mut second), poll(&mut second)];
    assert_eq!(read, ["one ", "two ", "three", "end"]);
}

#[test]
fn every_step_says_exactly_what_is_left() {
    let original = original([Step::Data("one "), Step::Data("three"), Step::Trailers(trailers())], 100);
    // The first reads half of it, the second replays that and reads the rest, the third replays all of it.
    for attempt in 1..=3 {
        let mut body = original.body();
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
        let mut body = original.body();
        assert_eq!(says(&body), (Some(0), true));
        assert_eq!(poll(&mut body), "end");
    }
    assert!(original.rewind());
    assert_eq!(original.state(), BodyState::Replayable);
}

#[test]
fn an_attempt_that_lost_the_body_gets_an_error_and_no_end() {
    let original = original([Step::Data("one "), Step::Sleep, Step::Data("two ")], 100);
    let mut first = original.body();
    assert_eq!(poll(&mut first), "one ");
    let mut second = original.body();
    assert!(poll(&mut first).starts_with("error: a later attempt"));
    assert_eq!(says(&first), (None, false));
    assert_eq!([poll(&mut second), poll(&mut second), poll(&mut second)], ["one ", "pending", "two "]);
}

#[test]
fn an_attempt_that_waits_is_woken_when_it_loses_the_body() {
    let original = original([Step::Sleep], 100);
    let mut first = original.body();
    let woken = Arc::<Woken>::default();
    assert_eq!(poll_with(&mut first, &Waker::from(Arc::clone(&woken))), "pending");
    assert_eq!(woken.0.load(Ordering::SeqCst), 0);
    assert!(original.rewind());
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    assert!(poll(&mut first).starts_with("error: a later attempt"));
}

#[test]
fn between_attempts_nobody_has_the_body() {
    let original = original([Step::Data("one "), Step::Data("two ")], 100);
    let mut first = original.body();
    assert_eq!(poll(&mut first), "one ");
    assert!(original.rewind());
    assert!(poll(&mut first).starts_with("error: a later attempt"));
    let mut second = original.body();
    assert_eq!([poll(&mut second), poll(&mut second)], ["one ", "two "]);
}

#[test]
fn a_body_over_the_limit_is_forgotten_and_read_to_its_end() {
    let memory = ReplayMemory::new(100);
    let script = Frames::script([Step::Data("one "), Step::Data("two "), Step::Data("three")]);
    let original = Original::new(script, 7, Some(&memory));
    let mut body = original.body();
    assert_eq!(poll(&mut body), "one ");
    assert_eq!((memory.used(), original.state()), (4, BodyState::Replayable));
    assert_eq!(poll(&mut body), "two ");
    assert_eq!((memory.used(), original.state()), (0, BodyState::TooLarge));
    assert_eq!(says(&body), (Some(5), false));
    assert!(!original.rewind(), "there is nothing to give to another attempt");
    assert_eq!([poll(&mut body), poll(&mut body)], ["three", "end"]);
    assert_eq!(says(&body), (Some(0), true));
}

#[test]
fn a_body_of_just_the_limit_is_kept() {
    for (limit, expected) in [(8, BodyState::Replayable), (7, BodyState::TooLarge)] {
        let original = original([Step::Data("one "), Step::Data("two ")], limit);
        let mut body = original.body();
        while poll(&mut body) != "end" {}
        assert_eq!(original.state(), expected, "{limit}");
    }
}

#[test]
fn a_body_that_was_not_read_is_whole_whatever_its_size() {
    let original = original([Step::Data("one ")], 0);
    drop(original.body());
    assert!(original.rewind());
    assert_eq!(poll(&mut original.body()), "one ");
}

#[test]
fn a_body_that_failed_is_poisoned() {
    let memory = ReplayMemory::new(100);
    let script = Frames::script([Step::Data("one "), Step::Fail]);
    let original = Original::new(script, 100, Some(&memory));
    let mut body = original.body();
    assert_eq!([poll(&mut body), poll(&mut body)], ["one ", &format!("error: {FAILURE}")]);
    assert_eq!((original.state(), memory.used()), (BodyState::Failed, 0));
    assert!(!original.rewind());
    assert!(!body.is_end_stream(), "half of a body does not look whole");
}

#[test]
fn what_is_released_is_freed_as_it_is_read() {
    let memory = ReplayMemory::new(100);
    let script = Frames::script([Step::Data("one "), Step::Data("two "), Step::Data("three")]);
    let original = Original::new(script, 100, Some(&memory));
    let mut first = original.body();
    while poll(&mut first) != "end" {}
    let mut second = original.body();
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
    let mut body = original.body();
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
        let mut body = original.body();
        let frame = Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Some(Ok(frame))) = frame else { panic!("a frame was to come") };
        assert_eq!(frame.into_data().unwrap().as_ptr(), data.as_ptr());
    }
}

/// Each attempt asks for itself, by a poll or because somebody says so.
fn check_asked<B: BytesBody + Unpin + 'static>(body: B) {
    let original = Original::new(body, 1_000, None);
    for polls in [true, false, true] {
        let mut attempt = original.body();
        assert!(!original.is_asked());
        if polls {
            let _ = Pin::new(&mut attempt).poll_frame(&mut Context::from_waker(Waker::noop()));
        } else {
            attempt.mark_polled();
        }
        assert!(original.is_asked());
        // An older one has no say any more.
        assert!(original.rewind());
        let mut older = std::mem::replace(&mut attempt, original.body());
        older.mark_polled();
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
    assert_eq!(format!("{:?}", original.body()), r#"ReplayBody("Shared")"#);
}

#[test]
fn a_full_body_is_given_whole_to_each_attempt_and_nothing_is_shared() {
    let (data, memory) = (Bytes::from("whole"), ReplayMemory::new(8));
    let original = Original::new(Full::new(data.clone()), 8, Some(&memory));
    assert_eq!((original.state(), memory.used()), (BodyState::Replayable, 5));
    for _ in 0..2 {
        let mut attempt = original.body();
        assert_eq!((attempt.size_hint().exact(), attempt.is_end_stream()), (Some(5), false));
        let frame = Pin::new(&mut attempt).poll_frame(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Some(Ok(frame))) = frame else { panic!("{frame:?}") };
        assert_eq!(frame.into_data().unwrap().as_ptr(), data.as_ptr());
        assert_eq!((attempt.size_hint().exact(), attempt.is_end_stream()), (Some(0), true));
        assert!(original.rewind());
    }
    drop(original);
    assert_eq!(memory.used(), 0);
}

#[test]
fn a_full_body_for_which_there_is_no_room_is_read_once_and_not_lost() {
    for (limit, memory) in [(4, None), (8, Some(ReplayMemory::new(4)))] {
        let original = Original::new(Full::from("whole"), limit, memory.as_ref());
        let mut attempt = original.body();
        let frame = Pin::new(&mut attempt).poll_frame(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Some(Ok(frame))) = frame else { panic!("{frame:?}") };
        assert_eq!(frame.into_data().unwrap(), "whole");
        assert_eq!(original.state(), BodyState::TooLarge);
    }
}

/// Code of the caller's: dropping it comes back to the body that it belongs to, as dropping the last waker of a task does
/// where the task owns the session.
struct Owner(SharedSession);

type SharedSession = Arc<Mutex<Option<Original<Returning>>>>;

impl Owner {
    fn look(&self) {
        if let Some(original) = &*self.0.lock().unwrap() {
            original.state();
        }
    }
}

impl Wake for Owner {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.look();
    }
}

/// Waits twice, and then yields two frames. It belongs to an owner, as each of them does.
struct Returning {
    owner: Owner,
    polls: u32,
}

impl Body for Returning {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        struct Data(#[expect(dead_code, reason = "it is there to be dropped")] Owner);
        impl AsRef<[u8]> for Data {
            fn as_ref(&self) -> &[u8] {
                b"text"
            }
        }
        self.polls += 1;
        match self.polls {
            1 | 2 => Poll::Pending,
            3 | 4 => {
                let data = Data(Owner(Arc::clone(&self.owner.0)));
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_owner(data)))))
            }
            _ => Poll::Ready(None),
        }
    }
}

/// A lock that is held while the caller's code runs is a lock for ever, and no timeout of a runtime ends that.
#[track_caller]
fn check_ends(test: impl FnOnce() + Send + 'static) {
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        test();
        let _ = done.send(());
    });
    assert_eq!(ended.recv_timeout(std::time::Duration::from_secs(5)), Ok(()), "it hangs, or it panicked");
}

/// A session whose body, frames and wakers come back to it when they are dropped.
fn returning(limit: usize) -> (SharedSession, ReplayBody<Returning>) {
    let session = Arc::new(Mutex::new(None));
    let body = Returning { owner: Owner(Arc::clone(&session)), polls: 0 };
    let original = Original::new(body, limit, None);
    let attempt = original.body();
    *session.lock().unwrap() = Some(original);
    (session, attempt)
}

fn poll_owned(session: &SharedSession, attempt: &mut ReplayBody<Returning>) -> bool {
    let waker = Waker::from(Arc::new(Owner(Arc::clone(session))));
    Pin::new(attempt).poll_frame(&mut Context::from_waker(&waker)).is_ready()
}

#[test]
fn a_waker_that_comes_back_when_it_is_dropped_is_no_deadlock() {
    check_ends(|| {
        let (session, mut attempt) = returning(100);
        // The second poll drops the waker of the first.
        assert!(!poll_owned(&session, &mut attempt));
        assert!(!poll_owned(&session, &mut attempt));
    });
}

#[test]
fn a_body_that_comes_back_when_it_is_dropped_is_no_deadlock() {
    check_ends(|| {
        let (session, mut attempt) = returning(100);
        // It is dropped at its end.
        for ready in [false, false, true, true, true] {
            assert_eq!(poll_owned(&session, &mut attempt), ready);
        }
    });
}

#[test]
fn frames_that_come_back_when_they_are_dropped_are_no_deadlock() {
    check_ends(|| {
        // There is room for the first frame, which is forgotten as the second is read.
        let (session, mut attempt) = returning(5);
        for ready in [false, false, true, true] {
            assert_eq!(poll_owned(&session, &mut attempt), ready);
        }
    });
}
