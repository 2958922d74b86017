//! The server that all members call: a token bucket that counts, and may be down.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use testkit::listener::listen;

use crate::load::BAD;

/// A server with a limit. Its threads end with the process.
pub(crate) struct LimitedServer {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    per_second: f64,
    burst: f64,
    bucket: Mutex<Bucket>,
    is_down: AtomicBool,
}

struct Bucket {
    level: f64,
    at: Instant,
    counts: Counts,
}

/// The calls of a server.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) calls: usize,
    pub(crate) refused: usize,
}

impl LimitedServer {
    /// Serves so many requests a second, and some at once. It answers after 20 ms, and refuses with 429 and one second.
    pub(crate) fn start(per_second: f64, burst: f64) -> Self {
        let bucket = Bucket { level: burst, at: Instant::now(), counts: Counts::default() };
        let is_down = AtomicBool::new(false);
        let shared = Arc::new(Shared { per_second, burst, bucket: Mutex::new(bucket), is_down });
        let served = Arc::clone(&shared);
        let address = listen(move |_, socket| _ = serve(socket, &served));
        Self { address, shared }
    }

    /// Answers 503 to all requests, or ends that.
    pub(crate) fn set_down(&self, is_down: bool) {
        self.shared.is_down.store(is_down, Ordering::Relaxed);
    }

    pub(crate) fn counts(&self) -> Counts {
        self.shared.bucket.lock().unwrap().counts
    }
}

impl Counts {
    pub(crate) fn since(self, before: Self) -> Self {
        Self { calls: self.calls - before.calls, refused: self.refused - before.refused }
    }
}

fn serve(socket: TcpStream, shared: &Shared) -> Option<()> {
    let mut writer = socket.try_clone().ok()?;
    let mut is_bad = false;
    for line in BufReader::new(socket).lines() {
        let line = line.ok()?;
        is_bad |= line.starts_with(&format!("GET {BAD} "));
        // A request without a body ends with an empty line.
        if !line.is_empty() {
            continue;
        }
        let head = if std::mem::take(&mut is_bad) {
            "429 Too Many"
        } else if shared.is_down.load(Ordering::Relaxed) {
            shared.bucket.lock().unwrap().counts.calls += 1;
            "503 Down"
        } else if take(shared) {
            "200 OK"
        } else {
            "429 Too Many\r\nretry-after: 1"
        };
        thread::sleep(LATENCY);
        write!(writer, "HTTP/1.1 {head}\r\ncontent-length: 0\r\n\r\n").ok()?;
    }
    Some(())
}

fn take(shared: &Shared) -> bool {
    let now = Instant::now();
    let bucket = &mut *shared.bucket.lock().unwrap();
    let earned = (now - bucket.at).as_secs_f64() * shared.per_second;
    (bucket.level, bucket.at) = ((bucket.level + earned).min(shared.burst), now);
    bucket.counts.calls += 1;
    let is_served = bucket.level >= 1.0;
    if is_served {
        bucket.level -= 1.0;
    } else {
        bucket.counts.refused += 1;
    }
    is_served
}

const LATENCY: Duration = Duration::from_millis(20);
