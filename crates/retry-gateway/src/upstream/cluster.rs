//! An upstream at run time: its endpoints, and the state that all routes to it share.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus_client::metrics::counter::Counter;
use tower_http_retry::Budget;
use tower_http_retry::pace::SharedPace;

use crate::config::{self, PaceKey, Protocol};
use crate::connection::request_limit::{RequestCounts, RequestLimit};
use crate::connection::tls::{self, CustomRoots};
use crate::telemetry::pace_status::PaceStatus;
use crate::telemetry::status::{CounterStatus, EndpointStatus, UpstreamStatus};
use crate::upstream::balancer::Balancer;
use crate::upstream::dns;
use crate::upstream::endpoint_factory::EndpointFactory;
use crate::upstream::fleet::UpstreamFleet;
use crate::upstream::outage::Outage;
use crate::upstream::outlier::{EndpointHealth, OutlierDetector, OutlierSnapshot};
use crate::upstream::pace::{self, new_pace};
use crate::upstream::pool::settings::ConnectionSettings;
use crate::upstream::removed::{NamedPace, RemovedUpstream, waits, with_waiters};

/// Holds the state that the routes to one upstream share.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) balancer: Arc<Balancer>,
    pub(crate) budget: Option<Budget>,
    /// Pace of the whole upstream.
    pub(crate) pace: Option<SharedPace>,
    /// Paces of earlier configurations at which requests still wait.
    earlier_paces: Vec<NamedPace>,
    /// Requests that went without a pace while the upstream had paces that are gone.
    unpaced_earlier: u64,
    request_counts: Arc<RequestCounts>,
    /// Configuration from which the cluster was built.
    pub(crate) config: config::UpstreamConfig,
    trusted: CustomRoots,
    /// The fleet that shares the paces and the budget.
    fleet: Option<UpstreamFleet>,
}

impl Cluster {
    /// Creates a cluster, which takes over the state of `previous` where the configuration did not change.
    ///
    /// `removed` is what is left of an upstream that had the same name. A reload thus does not refill a budget, forget the wait that a server asked for, or close connections.
    pub(crate) fn new(
        config: &config::UpstreamConfig,
        fleet: Option<UpstreamFleet>,
        previous: Option<&Self>,
        removed: Option<&RemovedUpstream>,
        ejections: Counter,
    ) -> anyhow::Result<Self> {
        let trusted = tls::load_roots(&config.tls)?;
        let is_http2 = config.protocol == Protocol::Http2;
        let connections = ConnectionSettings {
            tls: tls::client_config(&trusted, is_http2)?,
            is_http2,
            config: config.connections.clone(),
        };
        let pace = pace::in_force(config);
        let per_endpoint = pace.as_ref().filter(|pace| pace.key == PaceKey::Endpoint);
        // The cluster whose endpoints can stay.
        let same = previous.filter(|previous| {
            previous.trusted == trusted && endpoint_config(&previous.config) == endpoint_config(config)
        });
        let outliers = match same.and_then(|same| same.balancer.outliers.clone()) {
            Some(outliers) => Some(outliers),
            None => config
                .outlier_detection
                .as_ref()
                .map(|config| Arc::new(OutlierDetector::new(config, ejections))),
        };
        let factory = EndpointFactory {
            connections,
            pace: per_endpoint.cloned(),
            fleet: fleet.clone(),
            outliers: outliers.clone(),
        };
        let mut endpoints = Vec::new();
        for uri in &config.endpoints {
            match same.map(|same| same.balancer.endpoints_of(uri)).filter(|known| !known.is_empty()) {
                Some(known) => endpoints.extend(known),
                None => endpoints.push(factory.create(uri, None)?),
            }
        }
        if let Some(outliers) = &outliers {
            outliers.resize(endpoints.len());
        }
        let balancer = Arc::new(Balancer {
            endpoints: ArcSwap::from_pointee(endpoints),
            host: config.host.clone(),
            is_http2,
            outliers,
            outage: (!config.wait_while_down.is_zero())
                .then(|| Arc::new(Outage::new(config.wait_while_down))),
        });
        dns::follow(&balancer, factory, &config.endpoints);
        let budget = match previous.filter(|previous| previous.config.retry_budget == config.retry_budget) {
            Some(previous) if UpstreamFleet::is_same(previous.fleet.as_ref(), fleet.as_ref()) => {
                previous.budget.clone()
            }
            Some(previous) => previous
                .budget
                .as_ref()
                .map(|budget| UpstreamFleet::move_budget(fleet.as_ref(), previous.fleet.as_ref(), budget)),
            None => config.retry_budget.map(|budget| {
                let budget = Budget::percent(budget.percent).min_per_second(budget.min_retries_per_second);
                UpstreamFleet::budget(fleet.as_ref(), budget)
            }),
        };
        let pace = match previous.filter(|previous| pace::in_force(&previous.config) == pace) {
            Some(previous) => previous.pace.clone(),
            None => pace.filter(|pace| pace.key != PaceKey::Endpoint).map(|pace| {
                pace::with_key_in_body(&pace, UpstreamFleet::pace(fleet.as_ref(), None, new_pace(&pace)))
            }),
        };
        let endpoint_paces = balancer.endpoint_paces();
        let unpaced_here = unpaced(pace.iter().chain(endpoint_paces.iter().map(|(_, pace)| pace)));
        let in_force: Vec<NamedPace> = named_paces(&pace, &balancer).collect();
        let earlier = previous.into_iter().flat_map(Self::all_paces);
        let earlier =
            earlier.chain(removed.into_iter().flat_map(|removed| removed.paces.iter().flatten().cloned()));
        let earlier_paces = with_waiters(earlier, &in_force);
        let counts = previous.map(|previous| &previous.request_counts);
        let counts = counts.or(removed.map(|removed| &removed.request_counts)).map(Arc::clone);
        let unpaced_earlier = previous.map_or(0, |previous| previous.unpaced().saturating_sub(unpaced_here));
        Ok(Self {
            balancer,
            budget,
            pace,
            earlier_paces,
            unpaced_earlier,
            request_counts: counts.unwrap_or_default(),
            config: config.clone(),
            trusted,
            fleet,
        })
    }

    /// Moves the paces that were those of `previous` to the fleet of this cluster. That cannot be undone, so it follows once the
    /// whole configuration is in force.
    pub(crate) fn take_over(&self, previous: &Self) {
        if UpstreamFleet::is_same(previous.fleet.as_ref(), self.fleet.as_ref()) {
            return;
        }
        let before = previous.paces();
        for (endpoint, pace) in self.paces() {
            if before.iter().any(|(_, of_previous)| of_previous.is_same(&pace)) {
                let (fleet, before) = (self.fleet.as_ref(), previous.fleet.as_ref());
                UpstreamFleet::move_pace(fleet, before, endpoint.as_deref(), &pace);
            }
        }
    }

    /// Returns the limits of `max_requests` and `max_pending_requests`.
    pub(crate) fn request_limit(&self) -> RequestLimit {
        RequestLimit {
            counts: Arc::clone(&self.request_counts),
            max_requests: self.config.max_requests,
            max_pending_requests: self.config.max_pending_requests,
        }
    }

    /// Returns true if the key of the pace has the model of a request, which may stand in its body.
    pub(crate) fn reads_models(&self) -> bool {
        self.config.pace.as_ref().is_some_and(|pace| pace.key == PaceKey::CredentialAndModel)
    }

    /// Returns the paces that are in force, each with the name of its endpoint if it is the pace of one.
    fn paces(&self) -> Vec<NamedPace> {
        named_paces(&self.pace, &self.balancer).collect()
    }

    /// Returns those, and the earlier ones at which requests wait.
    fn all_paces(&self) -> impl Iterator<Item = NamedPace> {
        let earlier = self.earlier_paces.iter().filter(|(_, pace)| pace.waiting() > 0);
        self.paces().into_iter().chain(earlier.cloned())
    }

    /// Returns what is left of the upstream when a reload removes it.
    pub(crate) fn removed(&self) -> RemovedUpstream {
        let paces = with_waiters(self.all_paces(), &[]);
        RemovedUpstream {
            request_counts: Arc::clone(&self.request_counts),
            paces: (self.config.pace.is_some() || !paces.is_empty()).then_some(paces),
            unpaced: self.unpaced(),
        }
    }

    /// Returns the number of requests that went without a pace, because its table of keys was full.
    fn unpaced(&self) -> u64 {
        self.unpaced_earlier + unpaced(self.paces().iter().map(|(_, pace)| pace))
    }

    /// Returns the upstream's part of `/status`.
    pub(crate) fn status(&self, name: &str, mut counts: CounterStatus) -> UpstreamStatus {
        if self.config.pace.is_some() {
            counts.add_pace_rejections();
        }
        let endpoints = self.balancer.endpoints.load();
        let endpoints = endpoints.iter().map(|endpoint| {
            let OutlierSnapshot { state, ejections } =
                endpoint.health().map_or_else(OutlierSnapshot::default, EndpointHealth::snapshot);
            EndpointStatus {
                endpoint: endpoint.name().to_string(),
                load: endpoint.load(),
                state: state.as_str(),
                ejections,
            }
        });
        UpstreamStatus {
            name: name.to_owned(),
            removed: false,
            budget_tokens: self.budget.as_ref().map(tokens),
            in_flight: self.request_counts.in_flight(),
            pending: self.request_counts.pending(),
            waits: waits(&self.request_counts),
            ejected: self.balancer.outliers.as_ref().map_or(0, |outliers| outliers.ejected()),
            paces: (self.config.pace.is_some() || self.all_paces().next().is_some()).then(|| {
                let paces: Vec<_> = self.all_paces().collect();
                PaceStatus::new(paces.iter().map(|(name, pace)| (name.as_deref(), pace)), self.unpaced())
            }),
            endpoints: endpoints.collect(),
            counts,
        }
    }
}

/// Returns the resends that a budget allows. A member of a fleet gives back what it has in hand, so the tokens of all count.
fn tokens(budget: &Budget) -> f64 {
    budget.purse_report().map_or_else(|| budget.tokens(), |report| report.purse + report.level)
}

/// Returns these paces, each with the name of its endpoint if it is the pace of one.
fn named_paces(pace: &Option<SharedPace>, balancer: &Balancer) -> impl Iterator<Item = NamedPace> {
    let of_endpoints = balancer.endpoint_paces().into_iter().map(|(name, pace)| (Some(name), pace));
    pace.clone().into_iter().map(|pace| (None, pace)).chain(of_endpoints)
}

/// Returns the part of a configuration that its endpoints depend on. Settings of the whole upstream have
/// fixed values.
fn endpoint_config(config: &config::UpstreamConfig) -> config::UpstreamConfig {
    config::UpstreamConfig {
        endpoints: Vec::new(),
        host: config::HostRule::Endpoint,
        max_requests: 0,
        max_pending_requests: 0,
        response_idle_timeout: None,
        wait_while_down: Duration::ZERO,
        retry_budget: None,
        fleet: true,
        pace: pace::in_force(config).filter(|pace| pace.key == PaceKey::Endpoint),
        ..config.clone()
    }
}

/// Returns the number of requests that went without one of these paces.
fn unpaced<'a>(paces: impl Iterator<Item = &'a SharedPace>) -> u64 {
    paces.map(SharedPace::unpaced).sum()
}
