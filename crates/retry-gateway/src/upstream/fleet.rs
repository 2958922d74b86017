//! The membership of this gateway in a fleet, and what an upstream shares there.

use std::borrow::Cow;
use std::fmt;
use std::fs;
use std::sync::Arc;

use anyhow::Context;
use http_retry_redis::RedisConfig;
use tower_http_retry::fleet::{Fleet, FleetEvent, FleetReport};
use tower_http_retry::pace::SharedPace;
use tower_http_retry::{Budget, Pace};

use crate::config::{FleetConfig, UpstreamTls};
use crate::connection::tls;
use crate::telemetry::fleet_log::FleetLog;
use crate::telemetry::fleet_status::FleetStatus;
use crate::telemetry::metrics::Metrics;

/// This gateway as a member of a fleet.
pub(crate) struct FleetMember {
    pub(crate) config: FleetConfig,
    fleet: Fleet,
    log: FleetLog,
}

impl FleetMember {
    /// Joins a fleet in the background. The error is one of a file outside of the configuration.
    pub(crate) fn join(config: &FleetConfig, metrics: &Metrics) -> anyhow::Result<Self> {
        let store = store_settings(config)?.connect().context("fleet")?;
        let (log, seconds) = (FleetLog::new(config.timeout), metrics.fleet().ask_seconds.clone());
        let told = log.clone();
        let fleet = Fleet::new(store).lease(config.lease).observe(move |event| match event {
            FleetEvent::Changed { state, members, .. } => told.record(*state, *members),
            FleetEvent::Answered { took, .. } => seconds.observe(took.as_secs_f64()),
            _ => {}
        });
        Ok(Self { config: config.clone(), fleet, log })
    }

    /// Gives back what it has in hand and leaves the fleet, within about a second.
    pub(crate) async fn leave(&self) {
        self.log.leave();
        self.fleet.leave().await;
    }

    /// Describes the member, with so many keys of each pace.
    pub(crate) fn report(&self, keys: usize) -> FleetReport {
        self.fleet.report(keys)
    }

    /// Returns the fleet's part of `/status`.
    pub(crate) fn status(&self) -> FleetStatus {
        FleetStatus::new(&self.config, &self.fleet.report(FleetStatus::MAX_PACES))
    }
}

impl fmt::Debug for FleetMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FleetMember").field("fleet", &self.fleet).finish_non_exhaustive()
    }
}

/// Returns the settings of the connection to the store of a fleet.
pub(crate) fn store_settings(config: &FleetConfig) -> anyhow::Result<RedisConfig> {
    let settings = config.store_settings();
    let Some(path) = &config.ca else { return Ok(settings) };
    // The client of the store does not say what is wrong with its roots.
    tls::load_roots(&UpstreamTls { ca: Some(path.clone()) })?;
    let roots = fs::read(path).with_context(|| path.display().to_string())?;
    Ok(settings.root_certificates(roots))
}

/// The fleet of one upstream. Its paces and its budget have the name of the upstream there.
#[derive(Clone, Debug)]
pub(crate) struct UpstreamFleet {
    pub(crate) member: Arc<FleetMember>,
    pub(crate) upstream: String,
}

impl UpstreamFleet {
    /// Returns whether two upstreams share with the same fleet, or neither shares.
    pub(crate) fn is_same(one: Option<&Self>, other: Option<&Self>) -> bool {
        match (one, other) {
            (Some(one), Some(other)) => Arc::ptr_eq(&one.member, &other.member),
            (None, None) => true,
            _ => false,
        }
    }

    /// Shares a pace, which is that of an endpoint if it has one of its own.
    pub(crate) fn pace(fleet: Option<&Self>, endpoint: Option<&str>, pace: Pace) -> SharedPace {
        match fleet {
            Some(fleet) => fleet.member.fleet.pace(&fleet.name_of(endpoint), pace),
            None => pace.into(),
        }
    }

    /// Moves the pace of an upstream or endpoint from the fleet before, or from none, to this one, or to none. It goes on with
    /// what it knows.
    pub(crate) fn move_pace(
        fleet: Option<&Self>,
        before: Option<&Self>,
        endpoint: Option<&str>,
        pace: &SharedPace,
    ) {
        let before = before.map(|before| &before.member.fleet);
        match (fleet, before) {
            (Some(fleet), before) => {
                fleet.member.fleet.move_pace(before, &fleet.name_of(endpoint), pace);
            }
            (None, Some(before)) => before.release_pace(pace),
            (None, None) => {}
        }
    }

    /// Returns a budget that goes on from what one of the fleet before knows, or of none.
    pub(crate) fn move_budget(fleet: Option<&Self>, before: Option<&Self>, budget: &Budget) -> Budget {
        match (fleet, before) {
            (Some(Self { member, upstream }), _) => member.fleet.move_budget(upstream, budget),
            (None, Some(before)) => before.member.fleet.release_budget(budget),
            (None, None) => budget.clone(),
        }
    }

    /// Returns the name of a pace in the fleet.
    fn name_of(&self, endpoint: Option<&str>) -> Cow<'_, str> {
        match endpoint {
            Some(endpoint) => format!("{}/{endpoint}", self.upstream).into(),
            None => Cow::Borrowed(&self.upstream),
        }
    }

    /// Shares a budget.
    pub(crate) fn budget(fleet: Option<&Self>, budget: Budget) -> Budget {
        match fleet {
            Some(Self { member, upstream }) => member.fleet.budget(upstream, budget),
            None => budget,
        }
    }
}
