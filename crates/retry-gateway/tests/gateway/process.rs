//! The gateway as a process.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::call;

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
        let arguments = [&["--upstream", upstream, "--listen", "127.0.0.1:0"], arguments].concat();
        Self::start(&arguments, arguments.contains(&"--admin"))
    }

    /// By a configuration, which need not say where it listens.
    #[track_caller]
    pub(crate) fn by(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.toml");
        std::fs::write(&path, format!("listen = \"127.0.0.1:0\"\n{config}")).unwrap();
        Self::start(&["--config", path.to_str().unwrap()], config.contains("admin = "))
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
        let (said, lines) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || stderr.lines().for_each(|line| drop(said.send(line.unwrap()))));
        let mut listens = || {
            let line = lines.recv_timeout(Duration::from_secs(10)).unwrap_or_else(|_| {
                let _ = child.kill();
                panic!("the gateway does not say where it listens");
            });
            let address = line.rsplit("://").next().and_then(|address| address.parse().ok());
            address.unwrap_or_else(|| panic!("no address in {line:?}"))
        };
        let address = listens();
        let admin = has_admin.then(listens);
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

    /// What its metrics say of the upstream `api`.
    #[track_caller]
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = call(self.admin.expect("it was asked for"), "GET /metrics", &[], "").body;
        let start = format!("{name}{{upstream=\"api\"}} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&*start)?.parse().ok());
        value.unwrap_or_else(|| panic!("no {name} in\n{text}"))
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

/// One of the program's other commands, seen to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_retry-gateway"));
    command.args(arguments).output().expect("the gateway was built with this test")
}
