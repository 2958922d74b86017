//! The state of the running gateway: the configuration in force, and what outlives a reload.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use arc_swap::{ArcSwap, Guard};
use tokio::runtime::Handle;

use crate::config::Config;
use crate::connection::limit::ConcurrencyLimit;
use crate::proxy::state::Gateway;
use crate::sync::lock;
use crate::telemetry::status::{ConfigStatus, GatewayStatus};
use crate::time::millis::millis;

/// The state of the running gateway. A reload replaces its [`Gateway`]; requests in flight keep the one that they
/// started with.
#[derive(Debug)]
pub(crate) struct RuntimeState {
    gateway: ArcSwap<Gateway>,
    /// The connections of clients, which count across reloads.
    pub(crate) connections: ConcurrencyLimit,
    is_draining: AtomicBool,
    config_status: Mutex<ConfigStatus>,
}

impl RuntimeState {
    pub(crate) fn new(gateway: Gateway) -> Self {
        let config_status = ConfigStatus { loaded_at: now(), last_error: None, needs_restart: Vec::new() };
        Self {
            gateway: ArcSwap::from_pointee(gateway),
            connections: ConcurrencyLimit::default(),
            is_draining: AtomicBool::new(false),
            config_status: Mutex::new(config_status),
        }
    }

    /// Returns the gateway for a new request. This takes a few instructions and never blocks.
    pub(crate) fn gateway(&self) -> Guard<Arc<Gateway>> {
        self.gateway.load()
    }

    /// Puts another configuration in force and keeps everything of the previous one that did not change.
    /// `needs_restart` lists the keys whose new values need a restart.
    pub(crate) fn apply(&self, config: &Config, needs_restart: Vec<&'static str>) -> anyhow::Result<()> {
        let previous = self.gateway.load_full();
        let gateway = Gateway::rebuild(config, Some(&previous))?;
        gateway.metrics.record_reload(true);
        let left = previous
            .fleet
            .as_ref()
            .filter(|member| gateway.fleet.as_ref().is_none_or(|current| !Arc::ptr_eq(current, member)));
        for (name, cluster) in &gateway.upstreams {
            if let Some(before) = previous.upstreams.get(name) {
                cluster.take_over(before);
            }
        }
        if let Some(member) = left {
            gateway.metrics.fleet().leave(member.report(0));
        }
        self.gateway.store(Arc::new(gateway));
        if let (Some(member), Ok(runtime)) = (left.map(Arc::clone), Handle::try_current()) {
            // Requests that arrived before go on with what they have in hand.
            runtime.spawn(async move { member.leave().await });
        }
        self.with_config_status(|status| {
            *status = ConfigStatus { loaded_at: now(), last_error: None, needs_restart };
        });
        Ok(())
    }

    /// Records that a configuration was rejected, which leaves the previous one in force.
    pub(crate) fn reject(&self, error: String) {
        self.gateway().metrics.record_reload(false);
        self.with_config_status(|status| status.last_error = Some(error));
    }

    /// Starts the shutdown: `/readyz` fails from now on.
    pub(crate) fn drain(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }

    /// Returns the figures of `/status`.
    pub(crate) fn status(&self) -> GatewayStatus {
        let gateway = self.gateway();
        let counts = |name: &String| gateway.metrics.upstream(name).status();
        let upstreams = gateway.upstreams.iter().map(|(name, cluster)| cluster.status(name, counts(name)));
        let removed = gateway.removed.iter().filter(|(_, removed)| removed.is_busy());
        let removed = removed.map(|(name, removed)| removed.status(name, counts(name)));
        GatewayStatus {
            draining: self.is_draining(),
            config: self.with_config_status(|status| status.clone()),
            connections: self.connections.in_use(),
            buffered_bytes: gateway.memory.used(),
            fleet: gateway.fleet.as_ref().map(|member| member.status()),
            upstreams: upstreams.chain(removed).collect(),
        }
    }

    /// Returns all metrics in the text format of Prometheus.
    pub(crate) fn metrics(&self) -> String {
        let (status, gateway) = (self.status(), self.gateway());
        gateway.metrics.set_totals(status.connections, status.buffered_bytes);
        gateway.metrics.set_upstreams(&status.upstreams);
        gateway.metrics.fleet().set(gateway.fleet.as_ref().map(|member| member.report(0)));
        gateway.metrics.text()
    }

    fn with_config_status<T>(&self, change: impl FnOnce(&mut ConfigStatus) -> T) -> T {
        change(&mut lock(&self.config_status))
    }
}

/// Returns the time in milliseconds since 1970, like `time` of the access log.
fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, millis)
}
