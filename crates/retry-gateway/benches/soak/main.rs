//! Whether the gateway loses or doubles anything, however its upstreams and clients behave.
//!
//! `cargo bench -p retry-gateway --bench soak -- --minutes 60` runs it for an hour. Clients, upstreams and the
//! gateway's log each keep a book of all requests, and the books are compared. It ends with 1 where they disagree.

mod account;
mod book;
mod chaos;
mod client;
mod crash;
mod endpoint;
mod flood;
mod gateway;
mod pattern;
mod upstream;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Parser;
use testkit::redis::RedisServer;
use tokio::time::{Instant, sleep};

use crate::book::Books;
use crate::chaos::Stop;
use crate::endpoint::Endpoint;
use crate::gateway::{Gateway, HEADER_TIMEOUT, Held};

/// Has the gateway work under load while everything around it fails, and settles the account.
#[derive(Debug, Parser)]
struct Cli {
    /// How long upstreams fail; what follows takes half a minute.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// What the faults and the requests are drawn by.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many clients there are; every third speaks HTTP/2.
    #[arg(long, default_value_t = 18)]
    clients: u64,
    /// Make the gateway a member of a fleet, whose store is killed and stopped too. It needs redis-server on PATH.
    #[arg(long)]
    fleet: bool,
    /// What cargo passes to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    if let Some(result) = upstream::run_if_asked() {
        return result.map(|()| ExitCode::SUCCESS);
    }
    let cli = Cli::parse();
    flood::raise()?;
    let wrong = tokio::runtime::Runtime::new()?.block_on(run(&cli))?;
    for text in wrong.iter().take(SHOWN) {
        println!("VIOLATION {text}");
    }
    println!("seed {}: {} violations", cli.seed, wrong.len());
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn run(cli: &Cli) -> anyhow::Result<Vec<String>> {
    let books = Books::default();
    let mut endpoints = (0..3).map(|_| Endpoint::start(&books)).collect::<Result<Vec<_>, _>>()?;
    let addresses: Vec<_> = endpoints.iter().map(|endpoint| endpoint.address).collect();
    let mut store = cli.fleet.then(RedisServer::start);
    let mut gateway = Gateway::start(&addresses, store.as_ref().map(RedisServer::url), &books)?;
    let begin = gateway.held()?;
    println!("at the beginning: {begin}");
    let mut wrong = Vec::new();
    let (mut rested, mut dropped) = (None, 0);
    let mut left = Duration::try_from_secs_f64(cli.minutes * 60.0)?;
    // Books that are settled now and then need not hold hours.
    for round in 0.. {
        let length = left.min(ROUND);
        left -= length;
        println!("\n## Round {}, {length:.0?}\n", round + 1);
        let seed = cli.seed.wrapping_mul(1_000_003).wrapping_add(round * 1000);
        let began = Instant::now();
        endpoints = shake(cli, &gateway, endpoints, store.as_mut(), seed, length, &books).await?;
        let took = began.elapsed();
        let held = rest(&gateway, &mut endpoints).await?;
        let lost = gateway.metric("access_log_dropped_total")? as u64;
        wrong.extend(account::settle(books.close(), took, lost - dropped));
        dropped = lost;
        wrong.extend(gateway.unsettled()?);
        wrong.extend(held.beyond(begin, 48 * 1024));
        wrong.extend(held.beyond(*rested.get_or_insert(held), 16 * 1024));
        if !gateway.runs() {
            wrong.push("the gateway is gone".to_owned());
        }
        if left.is_zero() {
            break;
        }
    }
    println!("\n## Beside greedy clients\n");
    flood::run(gateway.address, &books).await?;
    wrong.append(&mut books.close().violations);
    let held = rest(&gateway, &mut endpoints).await?;
    wrong.extend(held.beyond(rested.unwrap_or(begin), 16 * 1024));
    println!("\n## Killed\n");
    wrong.extend(crash::run(&mut gateway, cli.seed, &books).await?);
    wrong.extend(gateway.panics());
    Ok(wrong)
}

/// What the gateway holds when nobody sends, and its upstreams are gone with the connections that it keeps to them.
async fn rest(gateway: &Gateway, endpoints: &mut [Endpoint]) -> anyhow::Result<Held> {
    endpoints.iter_mut().for_each(Endpoint::kill);
    sleep(REST).await;
    let held = gateway.held()?;
    println!("after a rest: {held}");
    endpoints.iter_mut().try_for_each(Endpoint::restart)?;
    Ok(held)
}

/// Load, faults and reloads for so long. All is well when it returns, and nothing under way.
async fn shake(
    cli: &Cli,
    gateway: &Gateway,
    endpoints: Vec<Endpoint>,
    store: Option<&mut RedisServer>,
    seed: u64,
    length: Duration,
    books: &Books,
) -> anyhow::Result<Vec<Endpoint>> {
    let addresses: Vec<_> = endpoints.iter().map(|endpoint| endpoint.address).collect();
    let (no_faults, no_load) = (Stop::default(), Stop::default());
    let clients = (0..cli.clients).map(|number| {
        let (stop, books) = (Arc::clone(&no_load), books.clone());
        tokio::spawn(client::run(gateway.address, number % 3 == 0, seed + number, stop, books))
    });
    let clients: Vec<_> = clients.collect();
    let faults = endpoints.into_iter().zip(500..).map(|(endpoint, number)| {
        tokio::spawn(chaos::upstream(endpoint, seed + number, Arc::clone(&no_faults), books.clone()))
    });
    let faults: Vec<_> = faults.collect();
    let time = async {
        sleep(length).await;
        no_faults.store(true, Ordering::Relaxed);
    };
    let (reloaded, (), (), ()) = tokio::join!(
        chaos::reloads(gateway, &addresses, seed + 600, Arc::clone(&no_faults), books),
        chaos::store(store, seed + 700, Arc::clone(&no_faults), books),
        chaos::unread_log(gateway, length, books),
        time,
    );
    reloaded?;
    let mut endpoints = Vec::new();
    for fault in faults {
        endpoints.push(fault.await??);
    }
    no_load.store(true, Ordering::Relaxed);
    for client in clients {
        client.await?;
    }
    // Requests that clients left are at an upstream yet.
    sleep(REST).await;
    Ok(endpoints)
}

impl Held {
    /// Where it is not near what it was.
    fn beyond(self, before: Self, kib: u64) -> Option<String> {
        let is_beyond = self.files > before.files + 8 || self.kib > before.kib + kib;
        is_beyond.then(|| format!("the gateway holds {self}, and held {before} before"))
    }
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1} MiB, {} files", self.kib as f64 / 1024.0, self.files)
    }
}

const ROUND: Duration = Duration::from_secs(300);
/// Longer than the gateway waits for a head. Where more connections come at once than a listener holds, the kernel hands
/// some over when their clients are gone, and does not say so at once.
const REST: Duration = HEADER_TIMEOUT.saturating_mul(2);
/// Violations in full; one mistake may make thousands.
const SHOWN: usize = 50;
