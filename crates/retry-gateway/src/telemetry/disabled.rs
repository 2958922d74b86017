//! Spans that record nothing, for builds without the feature `otlp`. The callers need no `cfg` of their own.

use http::{Request, StatusCode};
use tower_http_retry::pace::PaceWait;

use crate::connection::info::ConnectionInfo;
use crate::telemetry::peer::PeerInfo;
use crate::telemetry::response_end::ResponseSummary;

#[derive(Debug)]
pub(crate) struct RequestSpan;

#[derive(Debug)]
pub(crate) struct AttemptSpan;

impl RequestSpan {
    pub(crate) fn new<B>(_: &Request<B>, _: &ConnectionInfo) -> Self {
        Self
    }

    pub(crate) fn start_attempt<B>(&self, _: &mut Request<B>, _: PeerInfo<'_>, _: usize) -> AttemptSpan {
        AttemptSpan
    }

    pub(crate) fn end(
        &self,
        _: Option<StatusCode>,
        _: Option<&'static str>,
        _: Option<PaceWait>,
        _: Option<ResponseSummary>,
    ) {
    }
}

impl AttemptSpan {
    pub(crate) fn end(self, _: Result<StatusCode, &'static str>) {}
}
