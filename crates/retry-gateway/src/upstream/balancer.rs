//! The endpoints of an upstream, and the one that an attempt is sent to.

use std::sync::Arc;

use http::Response;
use smallvec::SmallVec;
use tokio::time::Instant;

use crate::config::HostRule;
use crate::telemetry::request_log::RequestLog;
use crate::upstream::endpoint::Endpoint;
use crate::upstream::error::AttemptError;
use crate::upstream::outlier::{Outliers, Report};

/// The endpoints of an upstream.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) endpoints: Vec<Arc<Endpoint>>,
    pub(crate) host: HostRule,
    pub(crate) is_http2: bool,
    pub(crate) outliers: Option<Arc<Outliers>>,
}

impl Upstream {
    /// One that is due for a probe; else the less busy of two that are drawn, of those that are not left alone: of
    /// those that were not tried before (where `avoids_tried`), or else of all.
    pub(crate) fn choose(&self, request_log: &RequestLog, avoids_tried: bool) -> usize {
        if self.endpoints.len() == 1 {
            return 0;
        }
        let is_untried = |index: &usize| !avoids_tried || !request_log.has_tried(*index);
        let mut present = Candidates::new();
        let mut now = None;
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            match endpoint.health().filter(|health| health.is_ejected()) {
                None => present.push(index),
                Some(health) => {
                    if is_untried(&index) && health.take_probe(*now.get_or_insert_with(Instant::now)) {
                        return index;
                    }
                }
            }
        }
        let untried: Candidates = present.iter().copied().filter(is_untried).collect();
        match (untried.is_empty(), present.is_empty()) {
            (false, _) => self.less_busy(&untried),
            (true, false) => self.less_busy(&present),
            // The last one may have been ejected just now, while another came back.
            (true, true) => self.less_busy(&(0..self.endpoints.len()).collect::<Candidates>()),
        }
    }

    /// Counts what an attempt came to.
    pub(crate) fn report<B>(&self, endpoint: &Endpoint, result: &Result<Response<B>, AttemptError>) {
        let (Some(health), Some(outliers)) = (endpoint.health(), &self.outliers) else { return };
        let report = match result {
            Ok(response) => outliers.config().report(response.status()),
            Err(AttemptError::Client(error)) if error.is_connect() => Report::Unreachable,
            Err(AttemptError::Client(_) | AttemptError::Timeout(_) | AttemptError::Framing) => {
                Report::Failure
            }
            // It was never sent.
            Err(AttemptError::Paced(_) | AttemptError::Target | AttemptError::Overflow) => return,
        };
        health.report(report, Instant::now);
    }

    fn less_busy(&self, candidates: &[usize]) -> usize {
        let draw = |len: usize| rand::random_range(0..len);
        let first = draw(candidates.len());
        if candidates.len() == 1 {
            return candidates[first];
        }
        // A second one that is not the first.
        let second = (first + 1 + draw(candidates.len() - 1)) % candidates.len();
        let [first, second] = [candidates[first], candidates[second]];
        match self.endpoints[second].load() < self.endpoints[first].load() {
            true => second,
            false => first,
        }
    }
}

type Candidates = SmallVec<[usize; 16]>;
