//! Spans that record nothing, for builds without the feature `otlp`. The callers need no `cfg` of their own.

use http::{Request, StatusCode};

use crate::connection::info::ConnectionInfo;
use crate::telemetry::peer::PeerInfo;

#[derive(Debug)]
pub(crate) struct RequestSpan;

#[derive(Debug)]
pub(crate) struct AttemptSpan;

impl RequestSpan {
    pub(crate) fn new<B>(_: &Request<B>, _: &Downstream) -> Self {
        Self
    }

    pub(crate) fn start_attempt<B>(&self, _: &mut Request<B>, _: PeerInfo<'_>, _: usize) -> AttemptSpan {
        AttemptSpan
    }

    pub(crate) fn end(&self, _: Option<StatusCode>) {}
}

impl AttemptSpan {
    pub(crate) fn end(self, _: Result<StatusCode, &'static str>) {}
}
