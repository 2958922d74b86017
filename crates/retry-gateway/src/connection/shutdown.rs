//! The graceful shutdown: it tells each connection of a client that it has begun, and waits until all have ended.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep_until};

use crate::connection::limit::Permit;

/// The shutdown of all connections of a server.
#[derive(Debug)]
pub(crate) struct GracefulShutdown(watch::Sender<bool>);

impl GracefulShutdown {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Returns the watcher of a new connection.
    pub(crate) fn watcher(&self) -> ShutdownWatcher {
        ShutdownWatcher(self.0.subscribe())
    }

    /// Starts the shutdown, and resolves when all watchers are dropped.
    pub(crate) async fn finish(self) {
        self.0.send_replace(true);
        self.0.closed().await;
    }
}

/// Tells the requests that wait that the shutdown is about to end, so that they get replies. All clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct ShutdownEnd(Arc<watch::Sender<bool>>);

impl ShutdownEnd {
    /// Tells it.
    pub(crate) fn announce(&self) {
        self.0.send_replace(true);
    }

    pub(crate) fn is_announced(&self) -> bool {
        *self.0.borrow()
    }

    /// Resolves when the end is announced.
    pub(crate) fn announced(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut end = self.0.subscribe();
        async move {
            // An error means that the server itself has gone.
            let _ = end.wait_for(|is_announced| *is_announced).await;
        }
    }
}

/// Tells one connection that the shutdown has begun. As long as one of its clones lives, the connection counts as open.
#[derive(Clone, Debug)]
pub(crate) struct ShutdownWatcher(watch::Receiver<bool>);

impl ShutdownWatcher {
    /// Returns whether the shutdown has begun. This costs one load.
    pub(crate) fn has_started(&self) -> bool {
        // An error means that the server itself has gone.
        self.0.has_changed().unwrap_or(true)
    }

    /// Resolves when the shutdown begins.
    pub(crate) async fn started(&self) {
        let mut shutdown = self.0.clone();
        let _ = shutdown.wait_for(|has_started| *has_started).await;
    }

    /// Resolves once the shutdown has begun and the client has had the time to send bytes: it may have connected, or got a
    /// response, just before.
    pub(crate) async fn bytes_overdue(&self, idle_since: Instant) {
        self.started().await;
        sleep_until(idle_since + BYTES_TIMEOUT).await;
    }
}

/// The permit of an open connection, and the watcher that makes a shutdown wait for it. Both stay with the socket, so a
/// tunnel takes them along.
#[derive(Debug)]
pub(crate) struct OpenConnection {
    _permit: Permit,
    watcher: ShutdownWatcher,
}

impl OpenConnection {
    pub(crate) fn new(permit: Permit, watcher: ShutdownWatcher) -> Self {
        Self { _permit: permit, watcher }
    }

    /// Returns whether the shutdown has begun.
    pub(crate) fn is_shutting_down(&self) -> bool {
        self.watcher.has_started()
    }
}

/// The time from the start of a connection, or from its last response, in which its client may still send a request during a
/// shutdown. It is long enough for a TLS handshake over a slow network.
const BYTES_TIMEOUT: Duration = Duration::from_secs(1);
