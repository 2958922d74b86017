//! Whether the gateway's pace harms the clients that it cannot help.
//!
//! `cargo bench -p retry-gateway --bench harm` plays the rows of the experiment's command `harm` through a gateway in this
//! process, and prints a Markdown table. The exit status is 1 if a bound does not hold.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use http::Uri;
use retry_experiment::harm::{
    HarmRow, MAX_ATTEMPTS, ProxyKey, ProxyPace, RunningProxy, StartingProxy, TABLE_HEADER,
};
use retry_gateway::Server;
use retry_gateway::config::{Config, PaceConfig, PaceKey, Profile, RouteConfig};

/// Plays the rows through a gateway.
#[derive(Debug, Parser)]
struct Cli {
    /// The rows to play; all if none is named.
    rows: Vec<HarmRow>,
    /// What cargo passes to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let rows = if cli.rows.is_empty() { HarmRow::value_variants() } else { &cli.rows };
    let mut all_hold = true;
    println!("{TABLE_HEADER}");
    for row in rows.iter().filter(|row| row.is_for(true)) {
        for figure in row.play(Some(&start)).await? {
            println!("{figure}");
            all_hold &= figure.holds();
        }
    }
    Ok(if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Starts a gateway in front of a server.
fn start(server: SocketAddr, pace: Option<ProxyPace>) -> StartingProxy {
    Box::pin(async move {
        let gateway = Server::bind(&config(server, pace)?).await?;
        let address = gateway.address()?;
        let task = tokio::spawn(gateway.run(std::future::pending()));
        Ok(RunningProxy::new(address, task))
    })
}

/// Returns the configuration of a gateway with the profile that has a pace by default. It resends as often as the
/// experiment's layer, without a budget.
fn config(server: SocketAddr, pace: Option<ProxyPace>) -> anyhow::Result<Config> {
    let server: Uri = format!("http://{server}").parse()?;
    let mut config = Config::for_upstream(server, Profile::Llm);
    config.listen = (Ipv4Addr::LOCALHOST, 0).into();
    config.access_log.enabled = false;
    for upstream in config.upstreams.values_mut() {
        upstream.retry_budget = None;
        upstream.outlier_detection = None;
        upstream.pace = pace.map(pace_config);
    }
    for route in &mut config.routes {
        *route = RouteConfig::with_upstream(&route.upstream, route.profile, pace.is_some());
        route.timeout = TIMEOUT;
        if let Some(retry) = &mut route.retry {
            retry.num_retries = MAX_ATTEMPTS - 1;
            retry.per_try_timeout = None;
        }
    }
    Ok(config)
}

fn pace_config(pace: ProxyPace) -> PaceConfig {
    let mut config = PaceConfig { slow_start: pace.slow_start, ..PaceConfig::default() };
    config.key = match pace.key {
        ProxyKey::Upstream => PaceKey::Upstream,
        ProxyKey::Credential => PaceKey::Credential,
        ProxyKey::CredentialAndModel => PaceKey::CredentialAndModel,
    };
    config.keys = pace.keys.unwrap_or(config.keys);
    config
}

/// The time for all attempts of a request: longer than any row may take.
const TIMEOUT: Duration = Duration::from_secs(120);
