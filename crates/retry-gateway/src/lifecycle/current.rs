//! The configuration that counts now, and what outlives it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::{ArcSwap, Guard};

use crate::config::Config;
use crate::connection::limit::Capacity;
use crate::proxy::state::Gateway;
use crate::telemetry::status::{ConfigStatus, GatewayStatus};
use crate::time::millis::millis;

/// A gateway that can be replaced while it works. Whoever took a request from it sees that through.
#[derive(Debug)]
pub(crate) struct Current {
    gateway: ArcSwap<Gateway>,
    /// Of clients, however they came in.
    pub(crate) connections: Capacity,
    is_draining: AtomicBool,
    history: Mutex<ConfigStatus>,
}

impl Current {
    pub(crate) fn new(gateway: Gateway) -> Self {
        let history = ConfigStatus { loaded_at: now(), last_error: None, needs_restart: Vec::new() };
        Self {
            gateway: ArcSwap::from_pointee(gateway),
            connections: Capacity::default(),
            is_draining: AtomicBool::new(false),
            history: Mutex::new(history),
        }
    }

    /// The gateway of new requests: a few instructions, and nobody waits.
    pub(crate) fn gateway(&self) -> Guard<Arc<Gateway>> {
        self.gateway.load()
    }

    /// Goes by another configuration from now on, with what can stay of the one before. `needs_restart` are the keys
    /// of it that cannot be had.
    pub(crate) fn adopt(&self, config: &Config, needs_restart: Vec<&'static str>) -> anyhow::Result<()> {
        let before = self.gateway.load_full();
        let gateway = Gateway::after(config, Some(&before))?;
        gateway.metrics.record_reload(true);
        self.gateway.store(Arc::new(gateway));
        self.write(|history| {
            *history = ConfigStatus { loaded_at: now(), last_error: None, needs_restart };
        });
        Ok(())
    }

    /// Notes that a configuration was not good enough.
    pub(crate) fn reject(&self, error: String) {
        self.gateway().metrics.record_reload(false);
        self.write(|history| history.last_error = Some(error));
    }

    /// No more requests are to come.
    pub(crate) fn drain(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }

    /// How it stands.
    pub(crate) fn status(&self) -> GatewayStatus {
        let gateway = self.gateway();
        let upstreams = gateway.upstreams.iter();
        GatewayStatus {
            draining: self.is_draining(),
            config: self.write(|history| history.clone()),
            connections: self.connections.taken(),
            buffered_bytes: gateway.memory.used(),
            upstreams: upstreams
                .map(|(name, shared)| shared.status(name, gateway.metrics.upstream(name).status()))
                .collect(),
        }
    }

    /// What was counted, in the text format of Prometheus.
    pub(crate) fn metrics(&self) -> String {
        let (status, gateway) = (self.status(), self.gateway());
        gateway.metrics.set_totals(status.connections, status.buffered_bytes);
        gateway.metrics.set_upstreams(&status.upstreams);
        gateway.metrics.text()
    }

    fn write<T>(&self, change: impl FnOnce(&mut ConfigStatus) -> T) -> T {
        change(&mut self.history.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// As the access log has it.
fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, millis)
}
