//! One send: wait for the turn, ready the inner service, send.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response};
use http_retry::{PaceRejection, RequestHead, ResponseHead, Ticket};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{Line, PaceError, Passage, SharedPace};
use crate::bounds::CloneService;
use crate::timer::{self, Sleep, Timer};
use crate::trace;

pin_project! {
    /// The response to a request, once its turn has come: what the service of a [`PaceLayer`](crate::PaceLayer) answers with.
    ///
    /// Dropping it leaves the line, or, if the request is under way and the others wait for what comes of it, lets
    /// the next of them go.
    #[must_use = "futures do nothing unless polled"]
    pub struct PaceFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        stage: Stage<S::Future>,
        // Until it is sent.
        errand: Option<(S, Request<B>)>,
        pace: SharedPace,
        ticket: Ticket,
        ends_at: Option<Duration>,
        timer: Arc<dyn Timer>,
        is_sent: bool,
    }
}

pin_project! {
    #[project = StageProj]
    enum Stage<F> {
        Enter,
        Wait { line: Line },
        /// The turn has come, and the inner service is being readied. The sleep ends with the deadline.
        Ready { passage: Option<Passage>, deadline: Option<Sleep> },
        Attempt { #[pin] attempt: F, passage: Option<Passage> },
        Done,
    }
}

impl<S, B, R> PaceFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    /// `inner` need not be ready.
    pub(crate) fn new(
        inner: S,
        request: Request<B>,
        pace: SharedPace,
        timer: Arc<dyn Timer>,
        ends_at: Option<Duration>,
    ) -> Self {
        let ticket = pace.enter(&RequestHead::from(&request)).ends_at(ends_at);
        Self {
            stage: Stage::Enter,
            errand: Some((inner, request)),
            pace,
            ticket,
            ends_at,
            timer,
            is_sent: false,
        }
    }

    /// Whether the inner service was called.
    pub(crate) fn is_sent(&self) -> bool {
        self.is_sent
    }

    /// The request's place in line.
    pub(crate) fn ticket(&self) -> Ticket {
        self.ticket
    }
}

impl<S, B, R> Future for PaceFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>> + CloneService,
{
    type Output = Result<Response<R>, PaceError<S::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let timer = &**this.timer;
        let outcome = loop {
            match (this.stage.as_mut().project(), this.errand.as_mut()) {
                (StageProj::Enter, _) => {
                    match Line::join(this.pace.clone(), *this.ticket, Arc::clone(this.timer)) {
                        Err(refusal) => break Err(PaceError::Rejected(refusal)),
                        Ok(line) => {
                            if line.is_waiting() {
                                trace::held();
                            }
                            this.stage.set(Stage::Wait { line });
                        }
                    }
                }
                (StageProj::Wait { line }, _) => match ready!(line.poll(cx)) {
                    Err(refusal) => break Err(PaceError::Rejected(refusal)),
                    Ok(passage) => this.stage.set(Stage::Ready { passage: Some(passage), deadline: None }),
                },
                (StageProj::Ready { passage, deadline }, Some((inner, _))) => {
                    let is_late = |now| this.ends_at.is_some_and(|end| end < now);
                    match inner.poll_ready(cx) {
                        Poll::Ready(Ok(())) if is_late(timer::monotonic(timer)) => {
                            break Err(PaceError::Rejected(PaceRejection::Deadline));
                        }
                        Poll::Ready(Ok(())) => {}
                        Poll::Ready(Err(error)) => break Err(PaceError::Inner(error)),
                        Poll::Pending => {
                            ready!(poll_deadline(*this.ends_at, deadline, timer, cx));
                            break Err(PaceError::Rejected(PaceRejection::Deadline));
                        }
                    }
                    let passage = passage.take().filter(|passage| passage.is_open(timer));
                    if passage.is_none() {
                        // The server asked for quiet meanwhile. What the readied instance holds goes back.
                        *inner = inner.clone();
                        this.stage.set(Stage::Enter);
                        continue;
                    }
                    let (mut inner, request) = this.errand.take().expect("it was just there");
                    *this.is_sent = true;
                    this.stage.set(Stage::Attempt { attempt: inner.call(request), passage });
                }
                (StageProj::Attempt { attempt, passage }, _) => {
                    let result = ready!(attempt.poll(cx));
                    if let (Ok(response), Some(passage)) = (&result, passage.take()) {
                        passage.observe(&ResponseHead::from(response), timer);
                    }
                    break result.map_err(PaceError::Inner);
                }
                (StageProj::Ready { .. }, None) => unreachable!("what was not sent is still here"),
                (StageProj::Done, _) => panic!("polled after it had resolved"),
            }
        };
        // Whatever is held goes back now, and not when somebody drops this.
        this.stage.set(Stage::Done);
        *this.errand = None;
        if let Err(PaceError::Rejected(refusal)) = &outcome {
            trace::rejected(*refusal);
        }
        Poll::Ready(outcome)
    }
}

/// Resolves at the deadline, if there is one.
fn poll_deadline(
    ends_at: Option<Duration>,
    sleep: &mut Option<Sleep>,
    timer: &dyn Timer,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let Some(ends_at) = ends_at else {
        return Poll::Pending;
    };
    let sleep = sleep.get_or_insert_with(|| timer.sleep(ends_at.saturating_sub(timer::monotonic(timer))));
    sleep.as_mut().poll(cx)
}

impl<S, B> fmt::Debug for PaceFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.stage {
            Stage::Enter => "Enter",
            Stage::Wait { .. } => "Wait",
            Stage::Ready { .. } => "Ready",
            Stage::Attempt { .. } => "Attempt",
            Stage::Done => "Done",
        };
        f.debug_struct("PaceFuture").field("stage", &stage).finish_non_exhaustive()
    }
}
