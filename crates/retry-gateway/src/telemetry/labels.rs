//! The labels that several metrics share.

use prometheus_client::encoding::EncodeLabelSet;

/// The upstream alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
pub(super) struct UpstreamLabel {
    pub(super) upstream: String,
}

/// The upstream, and the status of its response.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct StatusLabels {
    pub(super) upstream: String,
    pub(super) status: u16,
}

/// The upstream, and a reason.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReasonLabels {
    pub(super) upstream: String,
    pub(super) reason: &'static str,
}
