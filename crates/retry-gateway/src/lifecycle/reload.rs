//! Reads the configuration again: on SIGHUP, and when a file of it is another.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::Config;
use crate::lifecycle::current::Current;

/// What reads a server's configuration again.
#[derive(Debug)]
pub struct Reloader {
    current: Arc<Current>,
    file: PathBuf,
    bound: Bound,
    hangup: Signal,
    files: Files,
    looks: Looks,
}

/// What there was to see of the files.
#[derive(Debug)]
struct Looks {
    /// When they were read.
    read: Vec<Stamp>,
    /// The last time, where that was different.
    different: Option<Vec<Stamp>>,
}

/// What was asked for when the listeners were bound.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    pub(crate) listen: SocketAddr,
    pub(crate) admin: Option<SocketAddr>,
}

/// The file, and those that it names.
type Files = Vec<PathBuf>;

/// What tells whether the file at a path is still the same one: device, inode, size, and the times of the last change
/// of its content and of itself. `None` as long as there is none.
type Stamp = Option<[i128; 5]>;

impl Reloader {
    pub(crate) fn new(current: Arc<Current>, file: &Path, config: &Config) -> io::Result<Self> {
        let bound = Bound { listen: config.listen, admin: config.admin };
        let (hangup, files) = (signal(SignalKind::hangup())?, files(file, config));
        let looks = Looks { read: stamps(&files), different: None };
        Ok(Self { current, file: file.to_owned(), bound, hangup, files, looks })
    }

    /// Reads it again for as long as it is polled.
    ///
    /// Files are looked at once a second, and not through inotify: what is mounted into containers is replaced by way
    /// of symbolic links, and what comes over a network sends no events. That costs nothing which could be measured.
    pub async fn run(mut self) {
        loop {
            let is_asked = tokio::select! {
                asked = self.hangup.recv() => asked.is_some(),
                () = tokio::time::sleep(LOOK) => false,
            };
            let look = self.look().await;
            if is_asked || self.looks.is_new(&look) {
                self.looks = Looks { read: look, different: None };
                self.reload().await;
            }
        }
    }

    async fn look(&self) -> Vec<Stamp> {
        let files = self.files.clone();
        blocking(move || stamps(&files)).await
    }

    async fn reload(&mut self) {
        let (current, file, bound) = (Arc::clone(&self.current), self.file.clone(), self.bound);
        let read = move || {
            let config = match Config::load(&file) {
                Ok(config) => config,
                Err(error) => return (None, Err(error.to_string())),
            };
            let files = files(&file, &config);
            let stamps = stamps(&files);
            let needs_restart = bound.missed(&config);
            let done = current.adopt(&config, needs_restart.clone());
            (Some((files, stamps)), done.map(|()| needs_restart).map_err(|error| format!("{error:#}")))
        };
        let (known, done) = blocking(read).await;
        if let Some((files, stamps)) = known
            && files != self.files
        {
            (self.files, self.looks.read) = (files, stamps);
        }
        let file = self.file.display();
        match done {
            Ok(needs_restart) => {
                say(&format!("{file}: read again"));
                for key in needs_restart {
                    say(&format!("{file}: {key}: takes a restart, and stays as it was"));
                }
            }
            Err(error) => {
                say(&error);
                say(&format!("{file}: not taken, the configuration stays as it was"));
                self.current.reject(error);
            }
        }
    }
}

impl Looks {
    /// Whether the files are others than those which were read, and have not changed since the last look: who writes
    /// them is done.
    fn is_new(&mut self, look: &[Stamp]) -> bool {
        if look == self.read {
            self.different = None;
            return false;
        }
        let is_settled = self.different.as_deref() == Some(look);
        self.different = Some(look.to_vec());
        is_settled
    }
}

impl Bound {
    /// The keys that ask for another listener.
    fn missed(&self, config: &Config) -> Vec<&'static str> {
        let keys = [("listen", self.listen != config.listen), ("admin", self.admin != config.admin)];
        keys.into_iter().filter(|(_, is_missed)| *is_missed).map(|(key, _)| key).collect()
    }
}

fn files(file: &Path, config: &Config) -> Files {
    let mut files = vec![file.to_owned()];
    files.extend(config.tls.iter().flat_map(|tls| [tls.cert.clone(), tls.key.clone()]));
    files.extend(config.upstreams.values().filter_map(|upstream| upstream.tls.ca.clone()));
    files
}

/// Follows symbolic links.
fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
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
        Ok(done) => done,
        // The runtime never cancels what has begun, and otherwise it is this process that stops.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Not `eprintln`, which panics where nobody reads.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of these looks at a file has it read, if it was read as 0.
    #[track_caller]
    fn check(looks: &[i128], expected: &[usize]) {
        let stamp = |look: i128| vec![Some([look; 5])];
        let mut known = Looks { read: stamp(0), different: None };
        let mut read = Vec::new();
        for (number, look) in looks.iter().enumerate() {
            if known.is_new(&stamp(*look)) {
                known = Looks { read: stamp(*look), different: None };
                read.push(number);
            }
        }
        assert_eq!(read, expected, "{looks:?}");
    }

    #[test]
    fn a_file_is_read_once_it_has_settled() {
        check(&[0, 0, 0], &[]);
        check(&[1, 1, 1, 1], &[1]);
        // Somebody writes it, piece by piece.
        check(&[1, 2, 3, 3, 3], &[3]);
        // Somebody thought better of it.
        check(&[1, 0, 1, 0], &[]);
        check(&[1, 1, 0, 0, 1, 1], &[1, 3, 5]);
    }

    #[test]
    fn a_path_is_watched_and_not_the_file_that_was_there() {
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
