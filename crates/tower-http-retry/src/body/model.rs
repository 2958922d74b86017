//! A simple model of the replay body. Tests run random sequences of events on both, and compare them.
//!
//! In any order of events, an attempt reads exactly the caller's bytes or an error. It never reads a
//! truncated body that looks complete, and never a byte twice. The property test and the fuzz target share
//! the model.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_retry::BodyState;

use super::{ReplayBody, ReplayMemory, ReplayState};
use crate::BoxError;

/// Runs the script in `body` and the events in `events`, one event a byte. Panics if the replay body and the
/// model differ.
pub(crate) fn check(limit: u8, body: &[u8], events: &[u8]) {
    let memory = ReplayMemory::new(usize::from(limit) + usize::from(limit) / 2);
    let script = BodyScript::parse(body);
    let mut model = Model::new(script, usize::from(limit), memory.clone());
    for event in events {
        let which = usize::from(event / 8);
        match event % 8 {
            0..=4 => model.poll(which),
            5 => model.drop_attempt(which),
            6 => model.next_attempt(),
            _ => model.state = None,
        }
        model.check_memory(memory.used(), usize::from(limit));
    }
    drop(model);
    assert_eq!(memory.used(), 0, "bytes stay reserved after the session and all attempts ended");
}

/// The caller's body: the frames that it yields, and all of their bytes.
#[derive(Clone, Default)]
struct BodyScript {
    frames: VecDeque<ScriptFrame>,
    bytes: Vec<u8>,
    has_trailers: bool,
    fails: bool,
}

#[derive(Clone)]
enum ScriptFrame {
    Pending,
    Data(Bytes),
    Trailers,
    Error,
}

impl BodyScript {
    fn parse(body: &[u8]) -> Self {
        let mut script = Self::default();
        for &byte in body {
            let frame = match byte % 8 {
                0..=3 => {
                    let first = script.bytes.len();
                    script.bytes.extend((first..first + usize::from(byte / 8)).map(|n| n as u8));
                    ScriptFrame::Data(Bytes::copy_from_slice(&script.bytes[first..]))
                }
                4 | 5 => ScriptFrame::Pending,
                6 => ScriptFrame::Trailers,
                _ => ScriptFrame::Error,
            };
            // Nothing follows trailers or an error.
            let is_last = matches!(frame, ScriptFrame::Trailers | ScriptFrame::Error);
            script.has_trailers = matches!(frame, ScriptFrame::Trailers);
            script.fails = matches!(frame, ScriptFrame::Error);
            script.frames.push_back(frame);
            if is_last {
                break;
            }
        }
        script
    }
}

impl Body for BodyScript {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(frame) = self.frames.pop_front() else {
            return Poll::Ready(None);
        };
        match frame {
            ScriptFrame::Pending => Poll::Pending,
            ScriptFrame::Data(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
            ScriptFrame::Trailers => Poll::Ready(Some(Ok(Frame::trailers(HeaderMap::new())))),
            ScriptFrame::Error => Poll::Ready(Some(Err("the caller's body failed".into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let data_len = |frame: &ScriptFrame| match frame {
            ScriptFrame::Data(data) => data.len() as u64,
            ScriptFrame::Pending | ScriptFrame::Trailers | ScriptFrame::Error => 0,
        };
        SizeHint::with_exact(self.frames.iter().map(data_len).sum())
    }
}

struct Model {
    script: BodyScript,
    state: Option<ReplayState<BodyScript>>,
    attempts: Vec<ModelAttempt>,
}

struct ModelAttempt {
    /// `None` once the body ended, failed or was dropped.
    body: Option<ReplayBody<BodyScript>>,
    read: Vec<u8>,
    has_read_trailers: bool,
    is_parked: bool,
    woken: Arc<Flag>,
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Model {
    fn new(script: BodyScript, limit: usize, memory: ReplayMemory) -> Self {
        let state = ReplayState::new(script.clone(), limit, Some(&memory));
        let first = ModelAttempt::new(state.body());
        Self { script, state: Some(state), attempts: vec![first] }
    }

    /// Starts the next attempt, as the layer does, only if it can read the whole body.
    fn next_attempt(&mut self) {
        let Some(state) = self.state.as_ref().filter(|state| state.rewind()) else {
            return;
        };
        if let Some(last) = self.attempts.last().filter(|last| last.is_parked) {
            let is_woken = last.woken.0.load(Ordering::Relaxed);
            assert!(is_woken, "an attempt that waits for the body is not woken when it loses the body");
        }
        self.attempts.push(ModelAttempt::new(state.body()));
    }

    fn check_memory(&self, used: usize, limit: usize) {
        assert!(used <= limit, "more bytes are saved than the limit allows");
        match &self.state {
            Some(state) if state.state() == BodyState::Replayable => {}
            Some(_) => assert_eq!(used, 0, "frames are saved that no attempt can read"),
            None => {
                let newest = self.attempts.last().filter(|newest| newest.body.is_some());
                let left = newest.map(|newest| self.script.bytes.len() - newest.read.len());
                assert!(left.is_none_or(|left| used <= left), "frames are saved that no attempt will read");
            }
        }
    }

    fn drop_attempt(&mut self, which: usize) {
        let which = which % self.attempts.len();
        self.attempts[which].body = None;
    }

    fn poll(&mut self, which: usize) {
        let which = which % self.attempts.len();
        let is_newest = which + 1 == self.attempts.len();
        let attempt = &mut self.attempts[which];
        let Some(mut body) = attempt.body.take() else {
            return;
        };
        if body.is_end_stream() {
            assert!(attempt.has_read_all(&self.script), "an incomplete body reports its end");
        }
        let waker = Waker::from(Arc::clone(&attempt.woken));
        let polled = Pin::new(&mut body).poll_frame(&mut Context::from_waker(&waker));
        attempt.is_parked = polled.is_pending();
        match polled {
            Poll::Pending => attempt.body = Some(body),
            Poll::Ready(None) => assert!(attempt.has_read_all(&self.script), "an incomplete body ends"),
            Poll::Ready(Some(Err(_))) => {
                let may_fail = self.script.fails || !is_newest;
                assert!(may_fail, "the attempt that owns the body gets an error that is not the caller's");
            }
            Poll::Ready(Some(Ok(frame))) => {
                attempt.body = Some(body);
                attempt.read_frame(frame);
                assert!(
                    self.script.bytes.starts_with(&attempt.read),
                    "the attempt read other bytes than the caller's"
                );
                attempt.check_size(&self.script, is_newest);
            }
        }
    }
}

impl ModelAttempt {
    fn new(body: ReplayBody<BodyScript>) -> Self {
        Self {
            body: Some(body),
            read: Vec::new(),
            has_read_trailers: false,
            is_parked: false,
            woken: Arc::default(),
        }
    }

    fn read_frame(&mut self, frame: Frame<Bytes>) {
        match frame.into_data() {
            Ok(data) => self.read.extend_from_slice(&data),
            Err(_) => self.has_read_trailers = true,
        }
    }

    fn has_read_all(&self, script: &BodyScript) -> bool {
        !script.fails && self.read == script.bytes && self.has_read_trailers == script.has_trailers
    }

    fn check_size(&self, script: &BodyScript, is_newest: bool) {
        let size = self.body.as_ref().and_then(|body| body.size_hint().exact());
        let left = (script.bytes.len() - self.read.len()) as u64;
        assert!(!is_newest || size == Some(left), "{size:?} is announced, {left} are left");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Fewer cases run under miri, which is slow. Failing cases are not written to a file, because miri
    /// isolates the file system.
    fn config() -> ProptestConfig {
        let cases = if cfg!(miri) { 24 } else { 4_096 };
        ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn every_attempt_reads_the_callers_bytes_or_an_error(
            limit in any::<u8>(),
            body in prop::collection::vec(any::<u8>(), 0..12),
            events in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            check(limit, &body, &events);
        }
    }

    #[test]
    fn a_response_that_comes_before_the_replay_was_read_truncates_nothing() {
        // The first attempt reads both frames, a second attempt reads one, the session ends, and the attempt
        // reads on.
        check(255, &[8, 16], &[0, 0, 6, 8, 7, 8, 8]);
    }
}
