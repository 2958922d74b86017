//! The gateway as a process.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A gateway that runs; it is killed when this is dropped.
pub(crate) struct Gateway {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) admin: Option<SocketAddr>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Gateway {
    /// In front of one upstream.
    #[track_caller]
    pub(crate) fn before(upstream: &str, arguments: &[&str]) -> Self {
        Self::start(
            &[&["--upstream", upstream, "--listen", "127.0.0.1:0"], arguments].concat(),
            arguments.contains(&"--admin"),
        )
    }

    /// By a configuration, which need not say where it listens. Its first line is `admin`, if it has that.
    #[track_caller]
    pub(crate) fn by(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.toml");
        std::fs::write(&path, format!("listen = \"127.0.0.1:0\"\n{config}")).unwrap();
        Self::start(&["--config", path.to_str().unwrap()], config.starts_with("admin = "))
    }

    #[track_caller]
    fn start(arguments: &[&str], has_admin: bool) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_retry-gateway"))
            .arg("serve")
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the gateway was built with this test");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut listens = || {
            let line = lines.next().expect("the gateway says where it listens").unwrap();
            let address = line.rsplit("://").next().and_then(|address| address.parse().ok());
            address.unwrap_or_else(|| panic!("no address in {line:?}"))
        };
        let address = listens();
        let admin = has_admin.then(listens);
        thread::spawn(move || lines.for_each(drop));
        let log = Arc::<Mutex<Vec<String>>>::default();
        let (written, stdout) = (Arc::clone(&log), child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                written.lock().unwrap().push(line.unwrap());
            }
        });
        Self { child, address, admin, log }
    }

    /// The access log, once it has so many lines.
    #[track_caller]
    pub(crate) fn log(&self, lines: usize) -> Vec<serde_json::Value> {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let log = self.log.lock().unwrap().clone();
            if log.len() >= lines {
                return log.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
            }
            assert!(Instant::now() < end, "the log has {} lines: {log:?}", log.len());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) {
        let status = Command::new("kill").arg(self.child.id().to_string()).status();
        assert!(status.unwrap().success(), "`kill` sends SIGTERM");
    }

    /// Whether it has stopped, and how.
    pub(crate) fn ended(&mut self, within: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + within;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(10));
        }
        None
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
