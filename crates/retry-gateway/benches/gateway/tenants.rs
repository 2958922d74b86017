//! Two tenants of one upstream, which throttles one of them: what the other one sees of that.
//!
//! Three gateways take turns call by call, so that what disturbs the machine disturbs all of them: two that the quiet tenant has
//! for itself, and one that it shares. Each round has a p99 for each of them, and the figures are the ratios of the medians of these.
//! The second gateway without a neighbour tells how far such a ratio is from 1 by chance.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use tempfile::TempDir;

use crate::origin::{Origin, THROTTLED};
use crate::proxy::{self, Running, free_port};
use crate::report::{Report, held, median};

/// The calls of a round to each gateway, which come one after the other over one connection.
const CALLS: usize = 500;
/// The clients of the throttled tenant, each of which always has a request.
const NEIGHBOURS: usize = 200;
/// The bytes at the end of each answer.
const BODY: &[u8] = b"hello, world";

/// The latency of the quiet tenant.
pub(crate) fn run(rounds: usize) -> anyhow::Result<()> {
    let origin = Origin::start()?;
    let mut gateways = Vec::new();
    for name in ["alone", "alone too", "beside a throttled tenant"] {
        gateways.push((name, Gateway::start(&origin)?));
    }
    let [_, _, (_, shared)] = &gateways[..] else { unreachable!("there are three") };
    let _neighbours = Neighbours::start(shared.address)?;
    // The pace has met the limit by then.
    thread::sleep(Duration::from_secs(5));
    let mut clients = Vec::new();
    for (_, gateway) in &gateways {
        clients.push(TcpStream::connect(gateway.address)?);
    }
    let mut percentiles = vec![[Vec::new(), Vec::new()]; gateways.len()];
    for round in 0..=rounds * 5 {
        let mut times = vec![Vec::with_capacity(CALLS); clients.len()];
        for call in 0..CALLS {
            for turn in 0..clients.len() {
                // None is always the first.
                let place = (turn + call) % clients.len();
                times[place].push(call_over(&mut clients[place])?.as_secs_f64() * 1e6);
            }
        }
        // The first is for the caches.
        for (percentiles, times) in percentiles.iter_mut().zip(&mut times).filter(|_| round > 0) {
            times.sort_by(f64::total_cmp);
            percentiles[0].push(times[CALLS / 2]);
            percentiles[1].push(times[CALLS * 99 / 100]);
        }
    }
    let title = format!("Latency of a quiet tenant, in medians of {} rounds (microseconds)", rounds * 5);
    let mut report = Report::new(&title, &["gateway", "p50", "p99", "p50 of alone", "p99 of alone"]);
    let medians: Vec<_> = percentiles.into_iter().map(|figures| figures.map(median)).collect();
    for ((name, _), [p50, p99]) in gateways.iter().zip(&medians) {
        let (of_p50, of_p99) = (p50 / medians[0][0], p99 / medians[0][1]);
        let of_p99 = if name.starts_with("beside") { held(of_p99, 1.2) } else { format!("{of_p99:.3}") };
        report.row([
            (*name).to_owned(),
            format!("{p50:.0}"),
            format!("{p99:.0}"),
            format!("{of_p50:.3}"),
            of_p99,
        ]);
    }
    report.print();
    Ok(())
}

/// Sends a request of the quiet tenant, and reads its answer.
fn call_over(client: &mut TcpStream) -> anyhow::Result<Duration> {
    let start = Instant::now();
    let request = format!("GET {THROTTLED} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer quiet\r\n\r\n");
    client.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    while !answer.ends_with(BODY) {
        let mut piece = [0; 1_024];
        let read = client.read(&mut piece)?;
        anyhow::ensure!(read > 0 && answer.len() < 4_096, "{}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&piece[..read]);
    }
    Ok(start.elapsed())
}

/// A gateway that holds the requests of a credential back whose limit is met.
struct Gateway {
    address: SocketAddr,
    _process: Running,
    _folder: TempDir,
}

impl Gateway {
    fn start(origin: &Origin) -> anyhow::Result<Self> {
        let (folder, address) = (tempfile::tempdir()?, free_port()?);
        let lines = ["pace.key = \"credential\"", "timeout = \"10m\""];
        let config = proxy::gateway(folder.path(), address, origin.address, lines[0], lines[1])?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_retry-gateway"));
        let process = Running::start(command.args(["serve", "--config"]).arg(config), address, "")?;
        Ok(Self { address, _process: process, _folder: folder })
    }
}

/// The clients of the throttled tenant, until this is dropped.
struct Neighbours(Child);

impl Neighbours {
    fn start(gateway: SocketAddr) -> anyhow::Result<Self> {
        let child = Command::new("h2load")
            .args(["--h1", "-t", "1", "-c", &NEIGHBOURS.to_string(), "-D", "100000"])
            .args(["-H", "authorization: Bearer busy"])
            .arg(format!("http://{gateway}{THROTTLED}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("h2load does not start; is it installed? apt-get install nghttp2-client")?;
        Ok(Self(child))
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
