//! The reports of a request's future: what happened to the request, and what it waits for.

use http::Request;
use http_retry::Why;
use tower_service::Service;

use super::ResponseFuture;
use super::stage::Stage;
use crate::body::response_body::InnerResponse;
use crate::pace::PaceWait;
use crate::{ReplayBody, RetryInfo, timer};

impl<S, P, B, E, G> ResponseFuture<S, P, B, E, G>
where
    S: Service<Request<ReplayBody<B>>>,
    S::Response: InnerResponse,
{
    /// Returns what happened to the request, once this future has resolved. A response has the same info in
    /// its extensions; an error has none. The info is `None` if the first outcome was accepted.
    pub fn info(&self) -> Option<RetryInfo> {
        match self.stage {
            Stage::Done { info } => info,
            _ => None,
        }
    }

    /// Returns what has happened to the request until now. A caller that drops this future before it resolves can thus tell
    /// why the request waited. The info is `None` if no outcome was worth a retry.
    pub fn info_so_far(&self) -> Option<RetryInfo> {
        self.info().or_else(|| {
            let state = self.state.as_ref()?;
            let waits_since = state.wait.as_ref().and_then(|wait| wait.wait_started_at);
            let now = || timer::monotonic(&*state.config.timer);
            let waiting = waits_since.map(|since| now().saturating_sub(since));
            RetryInfo::unfinished(&state.session, waiting.unwrap_or_default())
        })
    }

    /// Returns why the request waits for its pace now, if it does. `Why::OwnHint` stands for the time that the request itself
    /// must wait before its resend, and the other reasons for the limit that it shares.
    pub fn pace_why(&self) -> Option<Why> {
        if let Stage::First { first } = &self.stage {
            return first.why();
        }
        self.state.as_ref()?.wait.as_ref()?.paced.as_ref()?.why()
    }

    /// Returns why and for how long the request has waited for its pace until now, if it has.
    pub fn pace_wait_so_far(&self) -> Option<PaceWait> {
        if let Stage::First { first } = &self.stage {
            return first.wait_so_far();
        }
        self.state.as_ref()?.wait.as_ref()?.paced.as_ref()?.wait_so_far()
    }
}
