//! Reloads the configuration: on SIGHUP, and when one of its files has changed.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::Signal;

use crate::config::{Config, FleetConfig};
use crate::lifecycle::current::RuntimeState;
use crate::telemetry::log_writer::print_error;

/// Reloads the configuration of a running server.
#[derive(Debug)]
pub struct Reloader {
    state: Arc<RuntimeState>,
    path: PathBuf,
    addresses: BoundAddresses,
    hangup: Signal,
    watch: FileWatch,
}

/// Notices that the files of a configuration have changed.
#[derive(Debug)]
struct FileWatch {
    loaded: ConfigSnapshot,
    /// The stamps of the last look, if they differed from the loaded ones.
    changed: Option<Vec<FileStamp>>,
}

/// The files of a configuration, with the stamps that they had when it was loaded.
#[derive(Debug)]
struct ConfigSnapshot {
    /// The configuration itself, and the certificates and keys that it names.
    files: Vec<PathBuf>,
    stamps: Vec<FileStamp>,
}

/// The addresses that the listeners were bound to at the start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BoundAddresses {
    pub(crate) listen: SocketAddr,
    pub(crate) admin: Option<SocketAddr>,
}

/// Identifies the content at a path: device, inode, size, and the times of the last change of the content and of the
/// inode. `None` means that there is no file.
type FileStamp = Option<[i128; 5]>;

impl Reloader {
    pub(crate) fn new(state: Arc<RuntimeState>, path: &Path, config: &Config, hangup: Signal) -> Self {
        let addresses = BoundAddresses { listen: config.listen, admin: config.admin };
        let watch = FileWatch::new(ConfigSnapshot::new(files(path, config)));
        Self { state, path: path.to_owned(), addresses, hangup, watch }
    }

    /// Reloads the configuration whenever that is due, for as long as the future is polled.
    ///
    /// It looks at the files once a second instead of through inotify: mounts in containers are replaced through
    /// symbolic links, and network file systems send no events. The cost was too small to measure.
    pub async fn run(mut self) {
        loop {
            let is_requested = tokio::select! {
                hangup = self.hangup.recv() => hangup.is_some(),
                () = tokio::time::sleep(WATCH_INTERVAL) => false,
            };
            let stamps = self.current_stamps().await;
            if is_requested || self.watch.has_settled(&stamps) {
                self.watch.set_loaded(stamps);
                self.reload().await;
            }
        }
    }

    async fn current_stamps(&self) -> Vec<FileStamp> {
        let files = self.watch.loaded.files.clone();
        blocking(move || stamps(&files)).await
    }

    async fn reload(&mut self) {
        let (state, path, addresses) = (Arc::clone(&self.state), self.path.clone(), self.addresses);
        let load = move || {
            let config = match Config::load(&path) {
                Ok(config) => config,
                Err(error) => return (None, Err(error.to_string())),
            };
            let snapshot = ConfigSnapshot::new(files(&path, &config));
            let needs_restart = addresses.changed_keys(&config);
            let applied = state.apply(&config, needs_restart.clone());
            (Some(snapshot), applied.map(|()| needs_restart).map_err(|error| format!("{error:#}")))
        };
        let (snapshot, result) = blocking(load).await;
        if let Some(snapshot) = snapshot.filter(|snapshot| snapshot.files != self.watch.loaded.files) {
            self.watch.loaded = snapshot;
        }
        let path = self.path.display();
        match result {
            Ok(needs_restart) => {
                print_error(&format!("{path}: reloaded"));
                if let Some(shortfall) = &self.state.gateway().shortfall {
                    print_error(shortfall);
                }
                for key in needs_restart {
                    print_error(&format!("{path}: {key} needs a restart; its old value stays in force"));
                }
            }
            Err(error) => {
                print_error(&error);
                print_error(&format!("{path}: rejected; the previous configuration stays in force"));
                self.state.reject(error);
            }
        }
    }
}

impl FileWatch {
    fn new(loaded: ConfigSnapshot) -> Self {
        Self { loaded, changed: None }
    }

    fn set_loaded(&mut self, stamps: Vec<FileStamp>) {
        self.loaded.stamps = stamps;
        self.changed = None;
    }

    /// Returns true if the files differ from the loaded ones and have stayed the same since the last look. Their writer
    /// has then finished.
    fn has_settled(&mut self, stamps: &[FileStamp]) -> bool {
        if stamps == self.loaded.stamps {
            self.changed = None;
            return false;
        }
        let is_settled = self.changed.as_deref() == Some(stamps);
        self.changed = Some(stamps.to_vec());
        is_settled
    }
}

impl ConfigSnapshot {
    fn new(files: Vec<PathBuf>) -> Self {
        let stamps = stamps(&files);
        Self { files, stamps }
    }
}

impl BoundAddresses {
    /// Returns the keys whose addresses differ in a configuration.
    fn changed_keys(&self, config: &Config) -> Vec<&'static str> {
        let keys = [("listen", self.listen != config.listen), ("admin", self.admin != config.admin)];
        keys.into_iter().filter(|(_, is_changed)| *is_changed).map(|(key, _)| key).collect()
    }
}

/// Returns the file of a configuration, and the certificates, keys and secrets that it names.
fn files(path: &Path, config: &Config) -> Vec<PathBuf> {
    let mut files = vec![path.to_owned()];
    files.extend(config.tls.iter().flat_map(|tls| [tls.cert.clone(), tls.key.clone()]));
    files.extend(config.upstreams.values().filter_map(|upstream| upstream.tls.ca.clone()));
    files.extend(config.fleet.iter().flat_map(FleetConfig::files).map(Path::to_owned));
    files
}

/// Returns the stamps of the files behind these paths. It follows symbolic links.
fn stamps(files: &[PathBuf]) -> Vec<FileStamp> {
    let nanos = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let stamp = |file: &PathBuf| {
        let data = std::fs::metadata(file).ok()?;
        let changed = [nanos(data.mtime(), data.mtime_nsec()), nanos(data.ctime(), data.ctime_nsec())];
        Some([data.dev().into(), data.ino().into(), data.size().into(), changed[0], changed[1]])
    };
    files.iter().map(stamp).collect()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        // The runtime never cancels a blocking task that has started, so the error is a panic.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// The time between two looks at the files.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks which of these looks at a file lead to a reload, after the file was loaded with stamp 0.
    #[track_caller]
    fn check(looks: &[i128], expected: &[usize]) {
        let stamps = |look: i128| vec![Some([look; 5])];
        let mut watch = FileWatch::new(ConfigSnapshot { files: Vec::new(), stamps: stamps(0) });
        let mut reloads = Vec::new();
        for (number, look) in looks.iter().enumerate() {
            if watch.has_settled(&stamps(*look)) {
                watch.set_loaded(stamps(*look));
                reloads.push(number);
            }
        }
        assert_eq!(reloads, expected, "{looks:?}");
    }

    #[test]
    fn a_file_is_loaded_once_it_has_settled() {
        check(&[0, 0, 0], &[]);
        check(&[1, 1, 1, 1], &[1]);
        // An editor writes it piece by piece.
        check(&[1, 2, 3, 3, 3], &[3]);
        // The change is undone before it has settled.
        check(&[1, 0, 1, 0], &[]);
        check(&[1, 1, 0, 0, 1, 1], &[1, 3, 5]);
    }

    #[test]
    fn a_path_is_watched_whichever_file_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let look = || stamps(&[path("file")]);
        assert_eq!(look(), [None]);
        std::fs::write(path("file"), "same").unwrap();
        let first = look();
        assert_eq!(look(), first);
        std::fs::write(path("other"), "same").unwrap();
        std::fs::rename(path("other"), path("file")).unwrap();
        assert_ne!(look(), first);
    }
}
