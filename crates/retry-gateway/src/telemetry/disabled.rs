//! The same without OpenTelemetry, so that who is traced need not ask whether it is there.

use http::{Request, StatusCode};

use crate::connection::info::ConnectionInfo;
use crate::telemetry::peer::PeerInfo;

#[derive(Debug)]
pub(crate) struct RequestSpan;

#[derive(Debug)]
pub(crate) struct AttemptSpan;

impl RequestSpan {
    pub(crate) fn begin<B>(_: &Request<B>, _: &ConnectionInfo) -> Self {
        Self
    }

    pub(crate) fn attempt<B>(&self, _: &mut Request<B>, _: PeerInfo<'_>, _: usize) -> AttemptSpan {
        AttemptSpan
    }

    pub(crate) fn end(&self, _: Option<StatusCode>) {}
}

impl AttemptSpan {
    pub(crate) fn end(self, _: Result<StatusCode, &'static str>) {}
}
