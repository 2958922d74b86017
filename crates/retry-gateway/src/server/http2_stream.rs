//! The task of one HTTP/2 stream, which ends when its client takes nothing for `write_timeout`.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Response, Version};
use pin_project_lite::pin_project;
use tokio::time::Instant;

use crate::connection::stream_progress::{ClientBody, OpenStreams, StreamProgress};
use crate::sync::lock;
use crate::time::pooled_timeout::{PooledTimeout, TimerPool};

/// Runs the tasks of the streams of one HTTP/2 connection.
#[derive(Clone)]
pub(crate) struct StreamExecutor(Arc<ExecutorSettings>);

struct ExecutorSettings {
    timers: TimerPool,
    write_timeout: Duration,
    /// Called for each stream that is reset.
    on_timeout: Box<dyn Fn() + Send + Sync>,
    /// The progress of the stream whose request has just arrived. hyper calls the service and then starts the
    /// task of its stream.
    arrived: Mutex<Option<Arc<StreamProgress>>>,
    open: OpenStreams,
}

pin_project! {
    /// Resolves with the response to a request, whose body tells its progress over HTTP/2.
    pub(crate) struct ClientResponse<F> {
        #[pin]
        response: F,
        progress: Option<Arc<StreamProgress>>,
    }
}

pin_project! {
    /// The task of one stream. When it ends early, hyper resets the stream.
    struct StreamTask<F> {
        #[pin]
        task: F,
        progress: Arc<StreamProgress>,
        stall: Option<Stall>,
        settings: Arc<ExecutorSettings>,
    }
}

/// The time in which a client takes nothing.
struct Stall {
    /// The progress at the last look.
    steps: u32,
    /// The number of looks since the last progress.
    looks: u32,
    timer: PooledTimeout,
}

impl StreamExecutor {
    pub(crate) fn new(
        timers: TimerPool,
        write_timeout: Duration,
        on_timeout: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let (on_timeout, arrived, open) = (Box::new(on_timeout), Mutex::default(), OpenStreams::default());
        Self(Arc::new(ExecutorSettings { timers, write_timeout, on_timeout, arrived, open }))
    }

    /// Returns the count of the connection's streams.
    pub(crate) fn open_streams(&self) -> &OpenStreams {
        &self.0.open
    }

    /// Connects the response to a request with the task of its stream. It must be called in the service.
    pub(crate) fn response<F>(&self, version: Version, response: F) -> ClientResponse<F> {
        let progress = (version == Version::HTTP_2).then(|| Arc::new(StreamProgress::new(&self.0.open)));
        if progress.is_some() {
            lock(&self.0.arrived).clone_from(&progress);
        }
        ClientResponse { response, progress }
    }
}

impl<F> hyper::rt::Executor<F> for StreamExecutor
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, task: F) {
        match lock(&self.0.arrived).take() {
            None => drop(tokio::spawn(task)),
            Some(progress) => {
                let settings = Arc::clone(&self.0);
                tokio::spawn(StreamTask { task, progress, stall: None, settings });
            }
        }
    }
}

impl<F, B, E> Future for ClientResponse<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ClientBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.response.poll(cx));
        let progress = this.progress.take();
        Poll::Ready(response.map(|response| {
            response.map(|body| match progress {
                None => ClientBody::http1(body),
                Some(progress) => ClientBody::http2(body, progress),
            })
        }))
    }
}

impl<F: Future> Future for StreamTask<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.task.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if !this.progress.is_sending() {
            *this.stall = None;
            return Poll::Pending;
        }
        let (settings, steps) = (&*this.settings, this.progress.steps());
        let interval = settings.write_timeout / LOOKS;
        let next = || Instant::now() + interval;
        let stall = this.stall.get_or_insert_with(|| {
            let timer = settings.timers.sleep_until(next());
            Stall { steps, looks: 0, timer }
        });
        // The window of the client wakes this task only if it has room for more than hyper has taken already.
        // So the timer looks for smaller steps.
        while stall.looks < LOOKS {
            ready!(Pin::new(&mut stall.timer).poll(cx));
            stall.looks = if steps == stall.steps { stall.looks + 1 } else { 0 };
            stall.steps = steps;
            stall.timer.reset(&settings.timers, next());
        }
        (settings.on_timeout)();
        Poll::Ready(())
    }
}

impl fmt::Debug for StreamExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamExecutor").field("write_timeout", &self.0.write_timeout).finish_non_exhaustive()
    }
}

/// The number of looks in a write timeout. A stream is reset up to one of them after it.
const LOOKS: u32 = 4;
