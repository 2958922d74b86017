//! Two processes that share one limit, through a store: `cargo run -p http-retry-redis --example two_processes`.
//!
//! It needs a `redis-server` on this machine, or the URL of one as argument. The server that both call takes 20 requests a
//! second, with 4 at once, and refuses the rest with 429.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower::ServiceBuilder;
use tower_http_retry::fleet::{Fleet, FleetState};
use tower_http_retry::{Budget, Pace, RetryLayer};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The requests of each process.
const REQUESTS: usize = 30;

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let store = arguments.next().unwrap_or_else(|| "redis://127.0.0.1:6379/0".to_owned());
    if let Some(server) = arguments.next() {
        return member(&store, &server);
    }
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let server = listener.local_addr()?.to_string();
    std::thread::spawn(move || serve(&listener));
    let begin = Instant::now();
    let program = std::env::current_exe()?;
    let start = |_| Command::new(&program).args([&store, &server]).spawn();
    let children = (0..2).map(start).collect::<Result<Vec<_>, _>>()?;
    for mut child in children {
        if !child.wait()?.success() {
            return Err("a process did not end well".into());
        }
    }
    println!("{} requests in {:.1} s", 2 * REQUESTS, begin.elapsed().as_secs_f64());
    Ok(())
}

/// Sends the requests of one process.
#[tokio::main(flavor = "current_thread")]
async fn member(store: &str, server: &str) -> Result<(), Error> {
    let fleet = Fleet::new(http_retry_redis::connect(store, "example")?);
    let layer = RetryLayer::default()
        .max_attempts(8)
        .pace(fleet.pace("server", Pace::per_authority()))
        .budget(fleet.budget("server", Budget::default()));
    // Nobody has to wait for the store, but this shows what it is good for.
    let begin = Instant::now();
    while fleet.state() != FleetState::Joined && begin.elapsed() < Duration::from_secs(2) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("process {} is {}", std::process::id(), fleet.state());

    let client =
        ServiceBuilder::new().layer(layer).service(Client::builder(TokioExecutor::new()).build_http());
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..REQUESTS {
        let request = Request::get(format!("http://{server}/")).body(Full::<Bytes>::default())?;
        requests.spawn(client.clone().oneshot(request));
    }
    let mut served = 0;
    while let Some(response) = requests.join_next().await {
        served += usize::from(response??.status() == 200);
    }
    let report = fleet.report(1);
    println!("process {}: {served} served, {} asks", std::process::id(), report.counts.asks_total());
    // The other process gets the slots that are left, and the whole limit.
    fleet.leave().await;
    Ok(())
}

/// A server with a limit: a bucket of 4 tokens that earns 20 a second.
fn serve(listener: &TcpListener) {
    let bucket = Mutex::new((4.0_f64, Instant::now()));
    let take = || {
        let mut bucket = bucket.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let earned = bucket.1.elapsed().as_secs_f64() * 20.0;
        *bucket = ((bucket.0 + earned).min(4.0), Instant::now());
        let is_free = bucket.0 >= 1.0;
        bucket.0 -= if is_free { 1.0 } else { 0.0 };
        is_free
    };
    std::thread::scope(|scope| {
        for stream in listener.incoming().flatten() {
            scope.spawn(|| answer(stream, take));
        }
    });
}

/// Answers the requests of one connection until it is closed.
fn answer(stream: TcpStream, take: impl Fn() -> bool) -> Option<()> {
    let mut writer = stream.try_clone().ok()?;
    for line in BufReader::new(stream).lines() {
        // A request without a body ends with an empty line.
        if line.ok()?.is_empty() {
            let head = if take() { "200 OK" } else { "429 Too Many Requests\r\nretry-after: 1" };
            write!(writer, "HTTP/1.1 {head}\r\ncontent-length: 0\r\n\r\n").ok()?;
        }
    }
    Some(())
}
