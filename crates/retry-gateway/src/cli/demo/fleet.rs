//! `demo --fleet`: what four gateways cost on one limit, with and without a store.

use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use retry_experiment::{Caller, LimitedServer, Load, Options, Progress, Row, measure_steady};
use retry_gateway::Server;
use retry_gateway::config::Config;
use serde::Serialize;
use tokio::sync::oneshot;

use super::store::LocalStore;

/// The gateways in front of a server. The callers send their requests to each of them in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Gateways {
    /// One gateway has all requests.
    One,
    /// Four gateways do not know of each other.
    Four,
    /// Four gateways share the limit through a store.
    Fleet,
}

impl Gateways {
    const ALL: [Self; 3] = [Self::One, Self::Four, Self::Fleet];

    fn count(self) -> usize {
        if self == Self::One { 1 } else { 4 }
    }

    /// Returns the configuration of each gateway.
    fn config(self, server: SocketAddr, store: &str) -> anyhow::Result<Config> {
        // All of them, the server and the callers have one machine here, so an answer may take long.
        let fleet = match self {
            Self::Fleet => format!("fleet = {{ store = \"{store}\", timeout = \"150ms\" }}\n"),
            Self::One | Self::Four => String::new(),
        };
        // A gateway alone may have more attempts of a request than the default: the demo compares calls, not failures.
        let text = format!(
            "listen = \"127.0.0.1:0\"\naccess_log.enabled = false\n{fleet}\
             [upstreams.api]\nendpoints = [\"http://{server}\"]\npace.key = \"upstream\"\nretry_budget = false\n\
             [[routes]]\nupstream = \"api\"\ntimeout = \"1m\"\nretry.num_retries = 5\n"
        );
        Ok(Config::parse("demo.toml", &text)?)
    }
}

/// The name in the table.
impl fmt::Display for Gateways {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::One => "one gateway",
            Self::Four => "four, no store",
            Self::Fleet => "four, one store",
        })
    }
}

/// Calls a server through one gateway, four gateways and a fleet of four, with half as many requests again as its limit serves.
/// `question` is the body of each request.
pub(super) async fn run(options: &Options, question: &'static str) -> anyhow::Result<()> {
    // The system's own start of a process blocks for a moment, and nothing else runs yet.
    let store = LocalStore::start()?;
    let url = store.url();
    let options = Options {
        load: Load { requests: options.load.requests.saturating_mul(LENGTH), ..options.load },
        server: Some(options.server.unwrap_or(LimitedServer::Bucket)),
        json: options.json,
    };
    let call = async |shop, gateways, progress: &Progress| {
        row(shop, gateways, &options, &url, question, progress).await
    };
    let rows = options.rows(&Gateways::ALL, call).await?;
    options.print(&rows)?;
    if !options.json {
        write!(io::stdout(), "{}", summary(&rows))?;
    }
    Ok(())
}

/// Calls one server through these gateways.
async fn row(
    shop: LimitedServer,
    gateways: Gateways,
    options: &Options,
    store: &str,
    question: &'static str,
    progress: &Progress,
) -> anyhow::Result<Row<Gateways>> {
    let server = retry_experiment::Server::start(shop, options.load).await?;
    let config = gateways.config(server.address(), store)?;
    let mut running = Vec::new();
    let mut addresses = Vec::new();
    for _ in 0..gateways.count() {
        let gateway = Server::bind(&config).await?;
        addresses.push(gateway.address()?);
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(gateway.run(async move { stopped.await.unwrap_or_default() }));
        running.push((stop, task));
    }
    if gateways == Gateways::Fleet {
        tokio::time::sleep(JOIN_TIME).await;
    }
    let caller = Caller::plain(1, move |number| {
        let address = addresses[number as usize % addresses.len()];
        Request::post(format!("http://{address}/v1/chat/completions"))
            .header(AUTHORIZATION, "Bearer demo")
            .header(CONTENT_TYPE, "application/json")
            .header("idempotency-key", format!("\"{number}\""))
            .body(question.into())
    });
    let per_second = options.load.rate.saturating_add(options.load.rate / 2);
    let row = measure_steady(&server, gateways, caller, per_second, progress).await;
    for (stop, task) in running {
        // A gateway that has ended by itself has nobody to tell.
        let _ = stop.send(());
        task.await?;
    }
    row
}

/// Returns the table in a few sentences.
fn summary(rows: &[Row<Gateways>]) -> String {
    let line = |gateways| {
        rows.iter().find(|row| row.strategy == gateways).map_or_else(String::new, |row| {
            format!("{} calls and {:.1} s", row.server.calls, row.wall_ms as f64 / 1_000.0)
        })
    };
    format!(
        "One gateway needs {}. Four gateways that do not know of each other need {}. Four that share the limit through a \
         store need {}.\n",
        line(Gateways::One),
        line(Gateways::Four),
        line(Gateways::Fleet)
    )
}

/// The gateways learn the limit during the first requests, so there are more.
const LENGTH: u32 = 5;
/// A gateway joins within a few milliseconds.
const JOIN_TIME: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configurations_differ_in_the_store_only() {
        let server = SocketAddr::from(([127, 0, 0, 1], 80));
        let config = |gateways: Gateways| gateways.config(server, "redis://127.0.0.1:1").unwrap();
        let mut fleet = config(Gateways::Fleet);
        assert!(fleet.fleet.take().is_some());
        assert_eq!(fleet, config(Gateways::Four));
        assert_eq!(fleet, config(Gateways::One));
    }
}
