//! The gateway as a process.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::client::{Reply, call};

/// A gateway that runs; it is killed when this is dropped.
pub(crate) struct Gateway {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) admin: Option<SocketAddr>,
    log: Arc<Mutex<Vec<String>>>,
    said: Arc<Mutex<Vec<String>>>,
    /// The folder of its configuration, which it may read again.
    folder: Option<TempDir>,
}

impl Gateway {
    /// In front of one upstream.
    #[track_caller]
    pub(crate) fn before(upstream: &str, arguments: &[&str]) -> Self {
        Self::start(&[&["--upstream", upstream, "--listen", "127.0.0.1:0"], arguments].concat())
    }

    /// By a configuration, which need not say where it listens. Its first line is `admin`, if it has that.
    #[track_caller]
    pub(crate) fn by(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.toml");
        std::fs::write(&path, with_listen(config)).unwrap();
        let mut gateway = Self::start(&["--config", path.to_str().unwrap()]);
        gateway.folder = Some(folder);
        gateway
    }

    /// Writes another configuration over the one that it was started by, as editors and deployments do.
    #[track_caller]
    pub(crate) fn rewrite(&self, config: &str) {
        let folder = self.folder.as_ref().expect("it has a configuration").path();
        std::fs::write(folder.join("next"), with_listen(config)).unwrap();
        std::fs::rename(folder.join("next"), folder.join("gateway.toml")).unwrap();
    }

    /// Has it read its configuration again, and waits until it has. Returns what it says then.
    #[track_caller]
    pub(crate) fn reload(&self, config: &str) -> String {
        let before = self.said().len();
        self.rewrite(config);
        self.signal("HUP");
        self.wait_said(before, &["reloaded", "stays in force"])
    }

    /// What it says on the standard error, from one of these words on, after so many lines.
    #[track_caller]
    pub(crate) fn wait_said(&self, before: usize, words: &[&str]) -> String {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let said = self.said()[before..].join("\n");
            if words.iter().any(|word| said.contains(word)) {
                return said;
            }
            assert!(Instant::now() < end, "it says {said:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    #[track_caller]
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(&[], arguments)
    }

    /// By a configuration, under a limit of open files, as `ulimit` sets it.
    #[track_caller]
    pub(crate) fn by_with_files(limit: &str, config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.toml");
        std::fs::write(&path, with_listen(config)).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit {limit}; exec \"$@\""), "sh", BINARY]);
        let mut gateway = Self::run_command(command, &["--config", path.to_str().unwrap()]);
        gateway.folder = Some(folder);
        gateway
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// With environment variables.
    #[track_caller]
    pub(crate) fn start_with(variables: &[(&str, &str)], arguments: &[&str]) -> Self {
        let mut command = Command::new(BINARY);
        command.envs(variables.iter().copied());
        Self::run_command(command, arguments)
    }

    #[track_caller]
    fn run_command(mut command: Command, arguments: &[&str]) -> Self {
        let mut child = command
            .arg("serve")
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the gateway was built with this test");
        let said = keep(child.stderr.take().unwrap());
        let log = keep(child.stdout.take().unwrap());
        let end = Instant::now() + Duration::from_secs(10);
        let mut listens = |number: usize| {
            let line = loop {
                // A member of a fleet may say before that it has joined.
                let line =
                    said.lock().unwrap().iter().filter(|line| line.contains("://")).nth(number).cloned();
                if let Some(line) = line {
                    break line;
                }
                if Instant::now() > end {
                    let _ = child.kill();
                    panic!("the gateway does not say where it listens");
                }
                thread::sleep(Duration::from_millis(2));
            };
            let address = line.rsplit("://").next().and_then(|address| address.parse().ok());
            address.unwrap_or_else(|| panic!("no address in {line:?}"))
        };
        let address = listens(0);
        let has_admin = |file: &str| std::fs::read_to_string(file).unwrap().contains("\nadmin = ");
        let with_admin = match arguments {
            ["--config", file] => has_admin(file),
            _ => arguments.contains(&"--admin"),
        };
        let admin = with_admin.then(|| listens(1));
        Self { child, address, admin, log, said, folder: None }
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

    /// How many lines its access log has, once no more of them come: a line may come after the answer that it is about.
    pub(crate) fn logged(&self) -> usize {
        let count = || self.log.lock().unwrap().len();
        let mut before = count();
        loop {
            thread::sleep(Duration::from_millis(200));
            let now = count();
            if now == before {
                return now;
            }
            before = now;
        }
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(status.unwrap().success(), "`kill` sends SIG{name}");
    }

    /// What its admin listener says.
    #[track_caller]
    pub(crate) fn ask(&self, path: &str) -> Reply {
        call(self.admin.expect("it was asked for"), &format!("GET {path}"), &[], "")
    }

    /// One number of its metrics; 0 where it is not there.
    #[track_caller]
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let metrics = self.ask("/metrics").body;
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or(0.0)
    }

    /// One that its metrics have for the upstream `api`.
    #[track_caller]
    pub(crate) fn metric_of_api(&self, name: &str) -> f64 {
        self.metric(&format!("{name}{{upstream=\"api\"}}"))
    }

    /// How many requests the pace of the upstream `api` holds back, for all reasons.
    #[track_caller]
    pub(crate) fn paced_of_api(&self) -> f64 {
        let metrics = self.ask("/metrics").body;
        let series = metrics.lines().filter_map(|line| line.strip_prefix("pace_active{upstream=\"api\""));
        series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    #[track_caller]
    pub(crate) fn status(&self) -> serde_json::Value {
        serde_json::from_str(&self.ask("/status").body).unwrap()
    }

    /// The bytes of its memory that are resident.
    #[track_caller]
    pub(crate) fn memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the resident memory");
        let kilobytes: usize = line.trim().trim_end_matches(" kB").parse().unwrap();
        kilobytes * 1_024
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

const BINARY: &str = env!("CARGO_BIN_EXE_retry-gateway");

/// An address at the top, which need not be in the file.
fn with_listen(config: &str) -> String {
    if config.contains("listen = ") {
        config.to_owned()
    } else {
        format!("listen = \"127.0.0.1:0\"\n{config}")
    }
}

/// Lines as they come.
fn keep(output: impl Read + Send + 'static) -> Arc<Mutex<Vec<String>>> {
    let kept = Arc::<Mutex<Vec<String>>>::default();
    let (written, lines) = (Arc::clone(&kept), BufReader::new(output).lines());
    thread::spawn(move || lines.for_each(|line| written.lock().unwrap().push(line.unwrap())));
    kept
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One of the program's other commands, seen to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.args(arguments).output().expect("the gateway was built with this test")
}
