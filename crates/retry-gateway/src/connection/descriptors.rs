//! The file descriptors of the process: how many there are, and how clients, upstreams and operators share them.

use std::error::Error;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use prometheus_client::metrics::counter::Counter;

use crate::connection::limit::{ConcurrencyLimit, Permit};
use crate::sync::lock;

/// The descriptors of this process. The first use raises the soft limit to the hard one.
pub(crate) static DESCRIPTORS: LazyLock<Descriptors> = LazyLock::new(Descriptors::raise_limit);

/// Shares the descriptors of the process. Each client that is let in may need a connection to an upstream, so clients
/// get half of the descriptors that the reserve leaves.
#[derive(Debug)]
pub(crate) struct Descriptors {
    /// The soft limit of open files.
    total: usize,
    /// The connections to upstreams that are open or being opened.
    upstream_connections: ConcurrencyLimit,
    max_upstream_connections: AtomicUsize,
    /// The sockets that could not be opened.
    exhausted: Counter,
    /// The time of the last message that said so.
    last_report: Mutex<Option<Instant>>,
}

impl Descriptors {
    fn raise_limit() -> Self {
        let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(MIN_TOTAL, |(soft, hard)| {
            // The system may refuse a limit above its own, and the old one then stays in force.
            let raised = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
            if raised.is_ok() { hard } else { soft }
        });
        Self::new(usize::try_from(limit).unwrap_or(usize::MAX))
    }

    fn new(total: usize) -> Self {
        Self {
            total,
            upstream_connections: ConcurrencyLimit::default(),
            max_upstream_connections: AtomicUsize::new(usize::MAX),
            exhausted: Counter::default(),
            last_report: Mutex::default(),
        }
    }

    /// Returns the number of descriptors that neither clients nor upstreams get: those of listeners, logs, look-ups of
    /// names, operators, and clients that are rejected.
    fn reserve(&self) -> usize {
        (self.total / 8).clamp(48, 1_024).min(self.total / 2)
    }

    /// Returns how many connections of clients the gateway can serve, at most `configured`. Upstreams get the
    /// descriptors that remain.
    pub(crate) fn share(&self, configured: usize) -> usize {
        let shared = self.total - self.reserve();
        let clients = configured.min(shared / 2).max(1);
        self.max_upstream_connections.store(shared - clients, Ordering::Relaxed);
        clients
    }

    /// Returns the message for an operator whose `limits.connections` exceeds the descriptors.
    pub(crate) fn shortfall(&self, configured: usize) -> Option<String> {
        let clients = configured.min((self.total - self.reserve()) / 2).max(1);
        (clients < configured).then(|| {
            format!(
                "limits.connections is {configured}, but the limit of {} open files (ulimit -n) allows {clients}; \
                 raise it to {}",
                self.total,
                2 * configured + 1_024
            )
        })
    }

    /// Returns the most connections of operators, and of clients that are rejected, at a time.
    pub(crate) fn quarter_of_reserve(&self) -> usize {
        self.reserve() / 4
    }

    /// Returns a permit for one connection to an upstream.
    ///
    /// # Errors
    ///
    /// Returns the error of the system for a process that has no descriptor left, if upstreams have all of theirs.
    pub(crate) fn connect_upstream(&self) -> io::Result<Permit> {
        let permit =
            self.upstream_connections.try_acquire(self.max_upstream_connections.load(Ordering::Relaxed));
        permit.ok_or_else(|| Errno::EMFILE.into())
    }

    /// Counts a socket that could not be opened. Returns true if the operator has not been told for a while.
    pub(crate) fn record_exhausted(&self) -> bool {
        self.exhausted.inc();
        let mut last_report = lock(&self.last_report);
        let is_due = last_report.is_none_or(|last| last.elapsed() > REPORT_INTERVAL);
        if is_due {
            *last_report = Some(Instant::now());
        }
        is_due
    }

    /// Returns the counter of sockets that could not be opened.
    pub(crate) fn exhausted(&self) -> &Counter {
        &self.exhausted
    }
}

/// Returns whether the cause of an error is that the process or the system has no descriptor left.
pub(crate) fn is_exhausted(error: &(dyn Error + 'static)) -> bool {
    let Some(error) = error.downcast_ref::<io::Error>() else {
        return error.source().is_some_and(is_exhausted);
    };
    // The source of an error that wraps another one is the source of that one, so it would be left out.
    match error.get_ref() {
        Some(wrapped) => is_exhausted(wrapped),
        None => {
            matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::EMFILE | Errno::ENFILE))
        }
    }
}

/// The number of descriptors if the system does not tell its limit: the usual soft limit.
const MIN_TOTAL: u64 = 1_024;
/// The shortest time between two messages of this kind.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the clients and the connections to upstreams that `total` descriptors allow.
    #[track_caller]
    fn check(total: usize, configured: usize, clients: usize, upstreams: usize) {
        let descriptors = Descriptors::new(total);
        assert_eq!(descriptors.share(configured), clients, "{total}");
        assert_eq!(descriptors.max_upstream_connections.load(Ordering::Relaxed), upstreams, "{total}");
        assert_eq!(descriptors.shortfall(configured).is_some(), clients < configured, "{total}");
    }

    #[test]
    fn clients_leave_as_many_descriptors_to_upstreams() {
        check(256, 10_000, 104, 104);
        check(1_024, 10_000, 448, 448);
        check(1_024, 100, 100, 796);
        check(2 * 10_000 + 1_024, 10_000, 10_000, 10_000);
        check(65_536, 10_000, 10_000, 54_512);
        check(10, 10_000, 2, 3);
        check(1, 10_000, 1, 0);
        check(usize::MAX, 10_000, 10_000, usize::MAX - 11_024);
    }

    #[test]
    fn a_connection_beyond_the_share_of_upstreams_is_an_error_of_the_process() {
        let descriptors = Descriptors::new(10);
        descriptors.share(10_000);
        let open: Vec<_> = (0..3).map(|_| descriptors.connect_upstream().unwrap()).collect();
        let error = descriptors.connect_upstream().unwrap_err();
        assert!(is_exhausted(&error));
        assert!(is_exhausted(&io::Error::other(error)), "the cause is found in the chain");
        assert!(!is_exhausted(&io::Error::from(io::ErrorKind::ConnectionRefused)));
        drop(open);
        assert!(descriptors.connect_upstream().is_ok());
    }

    #[test]
    fn the_operator_is_told_once_in_a_while() {
        let descriptors = Descriptors::new(10);
        let reports = (0..5).filter(|_| descriptors.record_exhausted()).count();
        assert_eq!((reports, descriptors.exhausted().get()), (1, 5));
    }
}
