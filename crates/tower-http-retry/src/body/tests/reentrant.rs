//! The buffer must not be locked while code of the caller runs, which may call the session again.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use http_body::{Body, Frame};

use crate::BoxError;
use crate::body::{ReplayBody, ReplayState};

/// A value of the caller whose drop calls the body that it belongs to. Dropping the last waker of a task does
/// so if the task owns the session.
struct CallsBackOnDrop(Session);

/// The slot in which the caller holds the session's state.
type Session = Arc<Mutex<Option<ReplayState<ReentrantBody>>>>;

impl CallsBackOnDrop {
    fn call_back(&self) {
        if let Some(state) = &*self.0.lock().unwrap() {
            state.state();
        }
    }
}

impl Wake for CallsBackOnDrop {
    fn wake(self: Arc<Self>) {}
}

impl Drop for CallsBackOnDrop {
    fn drop(&mut self) {
        self.call_back();
    }
}

/// A body that is pending twice, and then yields two frames. Dropping it, or one of its frames, calls the
/// session.
struct ReentrantBody {
    on_drop: CallsBackOnDrop,
    polls: u32,
}

impl Body for ReentrantBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        struct Data(#[expect(dead_code, reason = "its drop is the test")] CallsBackOnDrop);
        impl AsRef<[u8]> for Data {
            fn as_ref(&self) -> &[u8] {
                b"text"
            }
        }
        self.polls += 1;
        match self.polls {
            1 | 2 => Poll::Pending,
            3 | 4 => {
                let data = Data(CallsBackOnDrop(Arc::clone(&self.on_drop.0)));
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_owner(data)))))
            }
            _ => Poll::Ready(None),
        }
    }
}

/// Runs a test on a thread of its own. A lock that is held while the caller's code runs is a deadlock, and no
/// timeout of a runtime would end it.
#[track_caller]
fn check_ends(test: impl FnOnce() + Send + 'static) {
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        test();
        let _ = done.send(());
    });
    assert_eq!(ended.recv_timeout(std::time::Duration::from_secs(5)), Ok(()), "the test hangs or panicked");
}

/// Creates a session whose body, frames and wakers call it when they are dropped.
fn reentrant(limit: usize) -> (Session, ReplayBody<ReentrantBody>) {
    let session = Arc::new(Mutex::new(None));
    let body = ReentrantBody { on_drop: CallsBackOnDrop(Arc::clone(&session)), polls: 0 };
    let state = ReplayState::new(body, limit, None);
    let attempt = state.body();
    *session.lock().unwrap() = Some(state);
    (session, attempt)
}

fn poll_once(session: &Session, attempt: &mut ReplayBody<ReentrantBody>) -> bool {
    let waker = Waker::from(Arc::new(CallsBackOnDrop(Arc::clone(session))));
    Pin::new(attempt).poll_frame(&mut Context::from_waker(&waker)).is_ready()
}

#[test]
fn a_waker_that_calls_the_body_on_drop_does_not_deadlock() {
    check_ends(|| {
        let (session, mut attempt) = reentrant(100);
        // The second poll drops the waker of the first poll.
        assert!(!poll_once(&session, &mut attempt));
        assert!(!poll_once(&session, &mut attempt));
    });
}

#[test]
fn a_body_that_calls_itself_on_drop_does_not_deadlock() {
    check_ends(|| {
        let (session, mut attempt) = reentrant(100);
        // The body is dropped once it has ended.
        for ready in [false, false, true, true, true] {
            assert_eq!(poll_once(&session, &mut attempt), ready);
        }
    });
}

#[test]
fn frames_that_call_the_body_on_drop_do_not_deadlock() {
    check_ends(|| {
        // There is room for the first frame only, which is discarded when the second is read.
        let (session, mut attempt) = reentrant(5);
        for ready in [false, false, true, true] {
            assert_eq!(poll_once(&session, &mut attempt), ready);
        }
    });
}
