//! The load balancer of an upstream: it chooses the endpoint of each attempt by the power of two choices.

use std::sync::Arc;

use http::Response;
use smallvec::SmallVec;
use tokio::time::Instant;

use crate::config::HostRule;
use crate::telemetry::request_log::RequestLog;
use crate::upstream::endpoint::Endpoint;
use crate::upstream::error::AttemptError;
use crate::upstream::outlier::{EndpointOutcome, OutlierDetector};

/// Chooses among the endpoints of an upstream, and tells the outlier detector the outcome of each attempt.
#[derive(Debug)]
pub(crate) struct Balancer {
    pub(crate) endpoints: Vec<Arc<Endpoint>>,
    pub(crate) host: HostRule,
    pub(crate) is_http2: bool,
    pub(crate) outliers: Option<Arc<OutlierDetector>>,
}

impl Balancer {
    /// Returns the index of the endpoint for the next attempt.
    ///
    /// An ejected endpoint that is due for a probe comes first. Otherwise the balancer takes the less busy of
    /// two random endpoints among the healthy ones. With `avoids_tried` it leaves out the endpoints that the
    /// request has tried, as long as a healthy one remains. If all endpoints are ejected, it draws from all.
    pub(crate) fn choose(&self, request_log: &RequestLog, avoids_tried: bool) -> usize {
        if self.endpoints.len() == 1 {
            return 0;
        }
        let is_untried = |index: &usize| !avoids_tried || !request_log.has_tried(*index);
        let mut healthy = Candidates::new();
        let mut now = None;
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            match endpoint.health().filter(|health| health.is_ejected()) {
                None => healthy.push(index),
                Some(health) => {
                    if is_untried(&index) && health.try_probe(*now.get_or_insert_with(Instant::now)) {
                        return index;
                    }
                }
            }
        }
        let untried: Candidates = healthy.iter().copied().filter(is_untried).collect();
        match (untried.is_empty(), healthy.is_empty()) {
            (false, _) => self.power_of_two(&untried),
            (true, false) => self.power_of_two(&healthy),
            // One endpoint always stays, but it may have been ejected during this search, while another one
            // returned.
            (true, true) => self.power_of_two(&(0..self.endpoints.len()).collect::<Candidates>()),
        }
    }

    /// Records the outcome of an attempt for outlier detection.
    pub(crate) fn record_outcome<B>(&self, endpoint: &Endpoint, result: &Result<Response<B>, AttemptError>) {
        let (Some(health), Some(outliers)) = (endpoint.health(), &self.outliers) else { return };
        let outcome = match result {
            Ok(response) => outliers.config().outcome(response.status()),
            Err(AttemptError::Client(error)) if error.is_connect() => EndpointOutcome::Unreachable,
            Err(AttemptError::Client(_) | AttemptError::Timeout(_) | AttemptError::Framing) => {
                EndpointOutcome::Failure
            }
            // The attempt was never sent, so it says nothing about the endpoint.
            Err(AttemptError::Paced(_) | AttemptError::Target | AttemptError::Overflow) => return,
        };
        health.record(outcome, Instant::now);
    }

    /// Returns the less busy of two random candidates (Mitzenmacher, "The power of two choices in randomized
    /// load balancing").
    fn power_of_two(&self, candidates: &[usize]) -> usize {
        let draw = |len: usize| rand::random_range(0..len);
        let first = draw(candidates.len());
        if candidates.len() == 1 {
            return candidates[first];
        }
        // The second draw is a distance from the first, so that the two differ.
        let second = (first + 1 + draw(candidates.len() - 1)) % candidates.len();
        let [first, second] = [candidates[first], candidates[second]];
        match self.endpoints[second].load() < self.endpoints[first].load() {
            true => second,
            false => first,
        }
    }
}

type Candidates = SmallVec<[usize; 16]>;
