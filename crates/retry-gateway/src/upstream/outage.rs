//! The wait for an upstream whose endpoints take no connection.
//!
//! One task connects for all requests that wait. Each of them connecting on its own would be many connections to a
//! server that is just starting, and would spend its resends before the server is back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use crate::sync::lock;
use crate::upstream::endpoint::Endpoint;
use crate::upstream::error::AttemptError;

/// Returns the endpoints of an upstream, which change when a name has other addresses.
pub(crate) trait CurrentEndpoints: Fn() -> Arc<Vec<Arc<Endpoint>>> + Send + Sync + 'static {}

impl<F: Fn() -> Arc<Vec<Arc<Endpoint>>> + Send + Sync + 'static> CurrentEndpoints for F {}

/// The requests that wait for the first endpoint of an upstream that takes a connection.
#[derive(Debug)]
pub(crate) struct Outage {
    /// Longest wait of a request, from its arrival at the upstream.
    pub(crate) max_wait: Duration,
    /// Set while the task knows that no endpoint takes connections.
    is_down: AtomicBool,
    waiters: Mutex<Waiters>,
}

#[derive(Debug, Default)]
struct Waiters {
    /// Set while a task connects for the waiters.
    is_probed: bool,
    senders: Vec<oneshot::Sender<Arc<Endpoint>>>,
}

impl Outage {
    /// Creates the state of an upstream whose requests wait for up to `max_wait`.
    pub(crate) fn new(max_wait: Duration) -> Self {
        Self { max_wait, is_down: AtomicBool::new(false), waiters: Mutex::default() }
    }

    /// Returns whether it is known that no endpoint takes connections.
    pub(crate) fn is_down(&self) -> bool {
        self.is_down.load(Ordering::Relaxed)
    }

    /// Waits for the first of the current `endpoints` that takes a connection, until `deadline`.
    ///
    /// # Errors
    ///
    /// Returns an error if no endpoint does so until then.
    pub(crate) async fn wait(
        self: &Arc<Self>,
        endpoints: impl CurrentEndpoints,
        deadline: Instant,
    ) -> Result<Arc<Endpoint>, AttemptError> {
        let (sender, receiver) = oneshot::channel();
        self.add(sender, endpoints);
        match timeout_at(deadline, receiver).await {
            Ok(Ok(endpoint)) => Ok(endpoint),
            // The task ends without an answer only with the runtime.
            Ok(Err(_)) | Err(_) => Err(AttemptError::down()),
        }
    }

    /// Adds a waiter, and starts the task if it does not run yet.
    fn add(self: &Arc<Self>, sender: oneshot::Sender<Arc<Endpoint>>, endpoints: impl CurrentEndpoints) {
        let mut waiters = lock(&self.waiters);
        // Requests that have gone make room before the list grows. `max_pending_requests` bounds the others.
        if waiters.senders.len() == waiters.senders.capacity() {
            waiters.senders.retain(|sender| !sender.is_closed());
        }
        waiters.senders.push(sender);
        if !std::mem::replace(&mut waiters.is_probed, true) {
            tokio::spawn(probe(Arc::clone(self), endpoints));
        }
    }

    /// Returns whether a request still waits. If none does, the task ends.
    fn has_waiters(&self) -> bool {
        let mut waiters = lock(&self.waiters);
        waiters.senders.retain(|sender| !sender.is_closed());
        waiters.is_probed = !waiters.senders.is_empty();
        // The next request finds out for itself.
        self.is_down.store(waiters.is_probed, Ordering::Relaxed);
        waiters.is_probed
    }

    /// Lets all waiters go on to this endpoint. The task ends.
    fn release(&self, endpoint: &Arc<Endpoint>) {
        let mut waiters = lock(&self.waiters);
        self.is_down.store(false, Ordering::Relaxed);
        waiters.is_probed = false;
        for sender in waiters.senders.drain(..) {
            // A waiter whose time has passed no longer listens.
            let _ = sender.send(Arc::clone(endpoint));
        }
    }
}

/// Connects to the endpoints until one of them takes a connection, or no request waits any more.
async fn probe(outage: Arc<Outage>, endpoints: impl CurrentEndpoints) {
    let mut pause = MIN_PAUSE;
    loop {
        if let Some(endpoint) = first_reachable(&endpoints()).await {
            return outage.release(&endpoint);
        }
        if !outage.has_waiters() {
            return;
        }
        sleep(pause).await;
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

/// Connects to all endpoints at once. Returns the first that takes a connection.
async fn first_reachable(endpoints: &[Arc<Endpoint>]) -> Option<Arc<Endpoint>> {
    let mut probes = JoinSet::new();
    for endpoint in endpoints.iter().cloned() {
        probes.spawn(async move { endpoint.takes_connections().await.then_some(endpoint) });
    }
    while let Some(probe) = probes.join_next().await {
        if let Ok(Some(endpoint)) = probe {
            return Some(endpoint);
        }
    }
    None
}

/// The pause after the first round of connections that failed. Each further one is twice as long.
const MIN_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause. A server that is back is found within it.
const MAX_PAUSE: Duration = Duration::from_secs(1);
