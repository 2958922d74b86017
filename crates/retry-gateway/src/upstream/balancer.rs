//! The load balancer of an upstream: it chooses the endpoint of each attempt by the power of two choices.

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::{Response, StatusCode, Uri};
use smallvec::SmallVec;
use tokio::time::Instant;
use tower_http_retry::pace::SharedPace;

use crate::config::HostRule;
use crate::telemetry::log_writer;
use crate::telemetry::request_log::RequestLog;
use crate::upstream::endpoint::{Endpoint, LoadGuard};
use crate::upstream::error::AttemptError;
use crate::upstream::outage::Outage;
use crate::upstream::outlier::{EndpointHealth, EndpointOutcome, OutlierDetector, Standing};
use crate::upstream::pool::error::SendError;

/// Chooses among the endpoints of an upstream, and tells the outlier detector the outcome of each attempt.
#[derive(Debug)]
pub(crate) struct Balancer {
    /// The endpoints, at least one. The list is replaced as a whole when the addresses of a name change.
    pub(crate) endpoints: ArcSwap<Vec<Arc<Endpoint>>>,
    pub(crate) host: HostRule,
    pub(crate) is_http2: bool,
    pub(crate) outliers: Option<Arc<OutlierDetector>>,
    /// The requests that wait while no endpoint takes connections; `None` if requests do not wait for that.
    pub(crate) outage: Option<Arc<Outage>>,
}

/// An extension of a response with the status 503. No endpoint is left that the request has not tried, so another attempt
/// asks one of them again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoOtherEndpoint;

impl Balancer {
    /// Chooses the endpoint of the next attempt, which counts as load of it from now on.
    ///
    /// An ejected endpoint that is due for a probe comes first. Otherwise the balancer takes the less busy of
    /// two random endpoints among the healthy ones. If too few are healthy for the load of all, ejected ones
    /// count as healthy too. With `avoids_tried`, an endpoint that the request has not tried comes before one
    /// that it has, even if it is ejected: a request that failed at the healthy ones has nothing to lose there. Among
    /// the untried, endpoints that failed last come last. If no others are left, requests try them one after the other, so
    /// that one that is well again is found soon.
    pub(crate) fn choose(&self, request_log: &RequestLog, avoids_tried: bool) -> LoadGuard {
        let endpoints = self.endpoints.load();
        let (index, is_probe) = match endpoints.len() {
            1 => (0, false),
            _ => self.choose_index(&endpoints, request_log, avoids_tried),
        };
        let mut load = endpoints[index].start_request();
        if endpoints.len() > 1 && endpoints[index].health().is_some_and(EndpointHealth::is_ejected) {
            load.set_ejected();
        }
        if is_probe {
            load.set_probe();
        }
        load
    }

    /// Returns the endpoints of an address or a name of the configuration.
    pub(crate) fn endpoints_of(&self, uri: &Uri) -> Vec<Arc<Endpoint>> {
        self.endpoints.load().iter().filter(|endpoint| endpoint.uri() == uri).cloned().collect()
    }

    /// Returns the paces of the endpoints, each with the name of its endpoint. The list is empty if they have none.
    pub(crate) fn endpoint_paces(&self) -> Vec<(Arc<str>, SharedPace)> {
        let endpoints = self.endpoints.load();
        let pace = |endpoint: &Arc<Endpoint>| Some((Arc::clone(endpoint.name()), endpoint.pace()?.clone()));
        endpoints.iter().filter_map(pace).collect()
    }

    /// Returns the index of the endpoint for the next attempt, among several, and whether the attempt is its probe.
    fn choose_index(
        &self,
        endpoints: &[Arc<Endpoint>],
        request_log: &RequestLog,
        avoids_tried: bool,
    ) -> (usize, bool) {
        let is_resend = avoids_tried && request_log.attempts() > 0;
        let is_untried = |index: &usize| !is_resend || !request_log.has_tried(endpoints[*index].name());
        let mut now = None;
        let (mut healthy, mut ejected) = (Candidates::new(), Candidates::new());
        for (index, endpoint) in endpoints.iter().enumerate() {
            match endpoint.health().filter(|health| health.is_ejected()) {
                None => healthy.push(index),
                Some(health) => {
                    if is_untried(&index) && health.try_probe(*now.get_or_insert_with(Instant::now)) {
                        return (index, true);
                    }
                    ejected.push(index);
                }
            }
        }
        if self.panics(healthy.len(), endpoints.len()) {
            healthy.append(&mut ejected);
        }
        let untried = healthy.iter().chain(&ejected).copied().filter(is_untried);
        let for_resend = if is_resend { choose_untried(endpoints, untried.collect()) } else { None };
        (for_resend.unwrap_or_else(|| power_of_two(endpoints, &healthy)), false)
    }

    /// Returns whether so few endpoints are healthy that all are used. It is true if none is: one endpoint
    /// always stays, but it may have been ejected during a search, while another one returned.
    fn panics(&self, healthy: usize, endpoints: usize) -> bool {
        let threshold =
            self.outliers.as_ref().map_or(0, |outliers| outliers.config().healthy_panic_threshold);
        healthy == 0 || healthy * 100 < endpoints * threshold as usize
    }

    /// Returns whether the request has not tried all endpoints yet.
    pub(crate) fn has_untried(&self, request_log: &RequestLog) -> bool {
        self.endpoints.load().iter().any(|endpoint| !request_log.has_tried(endpoint.name()))
    }

    /// Marks a response with the status 503 with [`NoOtherEndpoint`], if the request has tried all endpoints.
    pub(crate) fn mark_if_last<B>(&self, response: &mut Response<B>, request_log: &RequestLog) {
        if response.status() == StatusCode::SERVICE_UNAVAILABLE && !self.has_untried(request_log) {
            response.extensions_mut().insert(NoOtherEndpoint);
        }
    }

    /// Returns whether each endpoint has a pace of its own.
    pub(crate) fn has_endpoint_paces(&self) -> bool {
        self.endpoints.load().first().is_some_and(|endpoint| endpoint.pace().is_some())
    }

    /// Records the outcome of an attempt for outlier detection.
    pub(crate) fn record_outcome(&self, load: &mut LoadGuard, result: Result<StatusCode, &AttemptError>) {
        if let Err(error) = result
            && error.is_out_of_descriptors()
        {
            // The gateway is to blame, and no endpoint.
            return log_writer::report_exhausted("an upstream");
        }
        let (Some(health), Some(outliers)) = (load.endpoint().health(), &self.outliers) else { return };
        let outcome = match result {
            Ok(status) => outliers.config().outcome(status),
            Err(AttemptError::Client(error)) if error.is_connect() => EndpointOutcome::Unreachable,
            // The attempt was never sent, or the response breaks a limit of the gateway's. Neither tells of the
            // endpoint's health.
            Err(
                AttemptError::Client(
                    SendError::NoConnection(_)
                    | SendError::NoPermit
                    | SendError::HeadTooLarge(_)
                    | SendError::Malformed(_),
                )
                | AttemptError::Paced { .. }
                | AttemptError::Target
                | AttemptError::UpgradeOverHttp2
                | AttemptError::Overflow(_)
                | AttemptError::Redispatch(_)
                | AttemptError::Down(_)
                | AttemptError::Upload(_)
                | AttemptError::Shutdown
                | AttemptError::TooManyWaiters(_),
            ) => return,
            Err(AttemptError::Client(_) | AttemptError::Timeout(_) | AttemptError::ResponseIdle(_)) => {
                EndpointOutcome::Failure
            }
        };
        health.record(outcome, load.was_ejected(), Instant::now);
        load.end_probe();
    }
}

/// Returns the endpoint of a resend among the endpoints that the request has not tried, or `None` if it has tried all.
///
/// Endpoints that were seen to fail least come first. Of endpoints that are ejected, or would be if more might be, the one
/// that was not used for the longest time comes first.
fn choose_untried(endpoints: &[Arc<Endpoint>], mut untried: Candidates) -> Option<usize> {
    let standing =
        |index: &usize| endpoints[*index].health().map_or(Standing::Good, EndpointHealth::standing);
    let best = untried.iter().map(standing).min()?;
    untried.retain(|index| standing(index) <= best);
    if untried.is_empty() || best < Standing::Outlier {
        return (!untried.is_empty()).then(|| power_of_two(endpoints, &untried));
    }
    let last_use = |index: &usize| endpoints[*index].health().map_or(0, EndpointHealth::last_use);
    let index = untried.into_iter().min_by_key(last_use)?;
    if let Some(health) = endpoints[index].health() {
        health.mark_used();
    }
    Some(index)
}

/// Returns the less busy of two random candidates (Mitzenmacher, "The power of two choices in randomized
/// load balancing").
fn power_of_two(endpoints: &[Arc<Endpoint>], candidates: &[usize]) -> usize {
    let draw = |len: usize| rand::random_range(0..len);
    let first = draw(candidates.len());
    if candidates.len() == 1 {
        return candidates[first];
    }
    // The second draw is a distance from the first, so that the two differ.
    let second = (first + 1 + draw(candidates.len() - 1)) % candidates.len();
    let [first, second] = [candidates[first], candidates[second]];
    match endpoints[second].load() < endpoints[first].load() {
        true => second,
        false => first,
    }
}

/// Indices of endpoints.
type Candidates = SmallVec<[usize; 16]>;
