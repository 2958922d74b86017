//! The gateway's process: its configurations, its log, and what it holds.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::book::Books;
use crate::endpoint::{listens, port, read, signal};

/// A gateway, which can be killed and started again at the same address.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    admin: SocketAddr,
    /// The URL of the store of its fleet, if it has one.
    store: Option<String>,
    folder: TempDir,
    process: Option<(Child, JoinHandle<()>)>,
    said: Arc<Mutex<Vec<String>>>,
    /// Whether it will be killed, and may leave half a line of its log.
    ends_abruptly: Arc<AtomicBool>,
    /// Whether nobody reads its log.
    is_log_unread: Arc<AtomicBool>,
    books: Books,
}

/// Another configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// As it began.
    None,
    /// A route before the other, for all that has a key.
    Route,
    /// One endpoint less, and others' connections made anew.
    Endpoints,
    /// A mistake.
    Bad,
}

/// What a process holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) kib: u64,
    pub(crate) files: usize,
}

impl Gateway {
    pub(crate) fn start(
        endpoints: &[SocketAddr],
        store: Option<String>,
        books: &Books,
    ) -> anyhow::Result<Self> {
        let mut gateway = Self {
            address: port()?,
            admin: port()?,
            store,
            folder: tempfile::tempdir()?,
            process: None,
            said: Arc::default(),
            ends_abruptly: Arc::default(),
            is_log_unread: Arc::default(),
            books: books.clone(),
        };
        gateway.write(endpoints, Change::None)?;
        gateway.restart()?;
        Ok(gateway)
    }

    /// Starts its process, and waits until it listens.
    pub(crate) fn restart(&mut self) -> anyhow::Result<()> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_retry-gateway"));
        command.args(["serve", "--config"]).arg(self.file());
        // The allocator would keep the memory of a peak until it happens to look at it again, and hide what the gateway holds.
        command.env("MIMALLOC_PURGE_DELAY", "0");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (books, said) = (self.books.clone(), Arc::clone(&self.said));
        let ends_abruptly = Arc::clone(&self.ends_abruptly);
        let is_log_unread = Arc::clone(&self.is_log_unread);
        let log = read(&mut child.stdout, move |line| {
            while is_log_unread.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(20));
            }
            books.log(line, ends_abruptly.load(Ordering::Relaxed));
        });
        read(&mut child.stderr, move |line| {
            said.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
        });
        self.process = Some((child, log));
        listens(self.address)
    }

    /// Has its log read, or left unread.
    pub(crate) fn read_log(&self, reads: bool) {
        self.is_log_unread.store(!reads, Ordering::Relaxed);
    }

    /// The sum of a metric's series.
    pub(crate) fn metric(&self, name: &str) -> anyhow::Result<f64> {
        let mut socket = TcpStream::connect(self.admin)?;
        socket.write_all(b"GET /metrics HTTP/1.1\r\nhost: soak\r\nconnection: close\r\n\r\n")?;
        let mut text = String::new();
        socket.read_to_string(&mut text)?;
        let value = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            let is_named = series.split('{').next() == Some(name);
            is_named.then(|| value.parse::<f64>().ok()).flatten()
        };
        let values: Vec<_> = text.lines().filter_map(value).collect();
        anyhow::ensure!(!values.is_empty(), "there is no {name}");
        Ok(values.iter().sum())
    }

    /// The gauges that are not 0 when nobody sends.
    pub(crate) fn unsettled(&self) -> anyhow::Result<Vec<String>> {
        let mut unsettled = Vec::new();
        for name in ["upstream_rq_active", "upstream_rq_pending_active", "retry_body_buffered_bytes"] {
            let value = self.metric(name)?;
            if value != 0.0 {
                unsettled.push(format!("{name} is {value} at rest"));
            }
        }
        Ok(unsettled)
    }

    pub(crate) fn kill(&mut self) {
        self.read_log(true);
        self.ends_abruptly.store(true, Ordering::Relaxed);
        if let Some((mut child, log)) = self.process.take() {
            let _ = child.kill();
            let _ = child.wait();
            let _ = log.join();
        }
    }

    /// Whether its process is still there.
    pub(crate) fn runs(&mut self) -> bool {
        self.process.as_mut().is_some_and(|(child, _)| matches!(child.try_wait(), Ok(None)))
    }

    /// Has it read another file, and waits for what it says of it.
    pub(crate) async fn reload(&self, endpoints: &[SocketAddr], change: Change) -> anyhow::Result<()> {
        let Some((child, _)) = &self.process else { return Ok(()) };
        let before = self.said().len();
        self.write(endpoints, change)?;
        signal(child.id(), "HUP")?;
        let word = if change == Change::Bad { "rejected;" } else { "reloaded" };
        let end = Instant::now() + Duration::from_secs(10);
        while !self.said()[before..].iter().any(|line| line.contains(word)) {
            if Instant::now() > end {
                self.books.violation(format!("a reload ({change:?}) is not {word:?} after 10 s"));
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    pub(crate) fn held(&self) -> anyhow::Result<Held> {
        let id = self.process.as_ref().map_or(0, |(child, _)| child.id());
        let status = fs::read_to_string(format!("/proc/{id}/status"))?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next());
        let kib = kib.unwrap_or_default().parse()?;
        Ok(Held { kib, files: fs::read_dir(format!("/proc/{id}/fd"))?.count() })
    }

    /// What it said that no program should ever say.
    pub(crate) fn panics(&self) -> Vec<String> {
        self.said().into_iter().filter(|line| line.contains("panicked")).collect()
    }

    fn said(&self) -> Vec<String> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("gateway.toml")
    }

    fn write(&self, endpoints: &[SocketAddr], change: Change) -> anyhow::Result<()> {
        let count = endpoints.len() - usize::from(change == Change::Endpoints);
        let urls: Vec<_> = endpoints[..count].iter().map(|address| format!("\"http://{address}\"")).collect();
        let connect = if change == Change::Endpoints { "1500ms" } else { "1s" };
        let route = |more: &str, try_timeout: &str| {
            format!(
                "[[routes]]\n{more}upstream = \"api\"\ntimeout = \"8s\"\n[routes.retry]\n\
                 per_try_timeout = \"{try_timeout}\"\n"
            )
        };
        let mut routes = route("", "800ms");
        if change == Change::Route {
            routes = route("headers = { x-kind = \"keyed\" }\n", "600ms") + &routes;
        }
        if change == Change::Bad {
            routes.push_str("num_retrys = 3\n");
        }
        // More than all who come in the flood, and less time for heads than it takes them to send one.
        let text = format!(
            "listen = \"{}\"\nadmin = \"{}\"\n{}[limits]\nconnections = 20000\nheader_timeout = \"{HEADER_TIMEOUT:?}\"\n[upstreams.api]\n\
             endpoints = [{}]\nconnect_timeout = \"{connect}\"\n\
             retry_budget = {{ percent = {PERCENT}, min_retries_per_second = {PER_SECOND} }}\n{routes}",
            self.address,
            self.admin,
            self.store.iter().map(|store| format!("fleet.store = \"{store}\"\n")).collect::<String>(),
            urls.join(", ")
        );
        let next = self.folder.path().join("next");
        fs::write(&next, text)?;
        Ok(fs::rename(next, self.file())?)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.kill();
    }
}

/// How long it waits for a head.
pub(crate) const HEADER_TIMEOUT: Duration = Duration::from_secs(3);
/// What its budget earns: by each success, and by each second.
pub(crate) const PERCENT: u32 = 10;
pub(crate) const PER_SECOND: u32 = 2;
/// How many attempts a request has.
pub(crate) const ATTEMPTS: usize = 3;
