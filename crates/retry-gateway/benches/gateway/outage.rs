//! What an upstream that is down sees of the resends.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::{Instant, interval, sleep, sleep_until};

use crate::proxy::{Running, free_port, gateway};
use crate::report::{Report, held};
use crate::server::{Down, Server};

/// For each way of being down, requests come at a steady pace, whatever becomes of them.
pub(crate) fn run() -> anyhow::Result<()> {
    let title = format!(
        "An upstream that is down, {} GETs a second for {} s; the budget's floor is 3 a second",
        RATE,
        LENGTH.as_secs()
    );
    let columns =
        ["upstream", "counted", "requests", "sends", "sends for each request", "resends a second, last 10 s"];
    let mut report = Report::new(&title, &columns);
    let runtime = tokio::runtime::Runtime::new()?;
    for down in Down::ALL {
        let outage = runtime.block_on(outage(down))?;
        let window = WINDOW.as_secs_f64();
        let requests = f64::from(RATE) * window;
        // What is left of the last second before may still be spent.
        let most = (FLOOR * window + cost(down)) / cost(down) / window;
        let counted = if matches!(down, Down::Refuses) { "refused connects" } else { "requests" };
        report.row([
            down.name().to_owned(),
            counted.to_owned(),
            outage.requests.to_string(),
            outage.sends.to_string(),
            held(outage.sends as f64 / outage.requests as f64, 1.2),
            held((outage.late_sends as f64 - requests) / window, most),
        ]);
    }
    report.print();
    Ok(())
}

/// Of a session's first resend. A second one of a refused connect costs 1.
fn cost(down: Down) -> f64 {
    match down {
        Down::Status => 1.0,
        Down::Hint | Down::Refuses => 0.25,
        Down::Silent => 2.0,
    }
}

struct Outage {
    requests: u64,
    sends: u64,
    /// Of the last ten seconds.
    late_sends: u64,
}

async fn outage(down: Down) -> anyhow::Result<Outage> {
    let server = Server::start(down).await;
    let folder = tempfile::tempdir()?;
    let address = free_port()?;
    // A try's timeout that fits the length of this, and nothing else.
    let route = "[routes.retry]\nper_try_timeout = \"500ms\"";
    let config = gateway(folder.path(), address, server.address, "", route)?;
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_retry-gateway"));
    let _gateway = Running::start(command.args(["serve", "--config"]).arg(config), address, "retry-gateway")?;

    let before = server.arrivals()?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let (began, mut ticks) = (Instant::now(), interval(Duration::from_secs(1) / RATE));
    let load = tokio::spawn(async move {
        let mut requests = 0;
        while began.elapsed() < LENGTH {
            ticks.tick().await;
            requests += 1;
            tokio::spawn(get(client.clone(), address));
        }
        requests
    });
    sleep_until(began + LENGTH - WINDOW).await;
    let late = server.arrivals()?;
    let requests = load.await?;
    let end = server.arrivals()?;
    // Whoever waits still has a hint of a second, and its spread.
    sleep(Duration::from_secs(3)).await;
    Ok(Outage { requests, sends: server.arrivals()? - before, late_sends: end - late })
}

/// What comes back is of no interest here.
async fn get(client: Client<HttpConnector, Empty<Bytes>>, to: SocketAddr) {
    if let Ok(uri) = format!("http://{to}/").parse() {
        let _ = client.get(uri).await;
    }
}

/// Requests a second.
const RATE: u32 = 200;
const LENGTH: Duration = Duration::from_secs(25);
const WINDOW: Duration = Duration::from_secs(10);
/// Tokens a second that the budget of the default profile earns without a success.
const FLOOR: f64 = 3.0;
