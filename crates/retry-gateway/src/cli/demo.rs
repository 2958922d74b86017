//! The command `demo`: the reference experiment, with a gateway between the callers and the servers.

mod fleet;
mod store;

use std::fmt;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request, Uri};
use retry_experiment::{Caller, LimitedServer, NAIVE_TRIES, Options, Progress, Row, measure};
use retry_gateway::Server;
use retry_gateway::config::{Config, PaceConfig, Profile, RouteConfig};
use serde::Serialize;

// The doc comments of the fields are the help, so they are imperatives.
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    #[command(flatten)]
    options: Options,
    /// Compare one gateway with four, without a store and as a fleet. It starts redis-server by itself.
    #[arg(long)]
    fleet: bool,
}

impl Demo {
    pub(crate) async fn run(&self) -> anyhow::Result<()> {
        match self.fleet {
            true => fleet::run(&self.options, QUESTION).await,
            false => run(&self.options).await,
        }
    }
}

/// A strategy of the callers. Behind a gateway they send each request once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Strategy {
    /// The callers send each request once, directly to the server.
    NoRetry,
    /// The callers send each request directly, up to 13 times and without a wait.
    Naive,
    /// The callers use a gateway with the default profile.
    Default,
    /// The callers use a gateway with the default profile and a pace.
    Paced,
    /// The callers use a gateway with the `llm` profile.
    Llm,
}

impl Strategy {
    const ALL: [Self; 5] = [Self::NoRetry, Self::Naive, Self::Default, Self::Paced, Self::Llm];

    /// Returns the configuration of the gateway in front of a server, if the strategy has one.
    fn gateway(self, server: SocketAddr) -> anyhow::Result<Option<Config>> {
        let server: Uri = format!("http://{server}").parse()?;
        let mut config = match self {
            Self::NoRetry | Self::Naive => return Ok(None),
            Self::Default => Config::for_upstream(server, Profile::Default),
            Self::Paced => with_pace(Config::for_upstream(server, Profile::Default)),
            Self::Llm => Config::for_upstream(server, Profile::Llm),
        };
        config.listen = (Ipv4Addr::LOCALHOST, 0).into();
        config.access_log.enabled = false;
        Ok(Some(config))
    }

    /// Returns callers that send what a script sends to a language model. Their requests have a key where the gateway has
    /// the default profile, which otherwise leaves a POST to its client.
    fn caller(self, address: SocketAddr) -> Caller {
        let tries = if self == Self::Naive { NAIVE_TRIES } else { 1 };
        let has_key = matches!(self, Self::Default | Self::Paced);
        Caller::plain(tries, move |number| {
            let mut request = Request::post(format!("http://{address}/v1/chat/completions"))
                .header(AUTHORIZATION, "Bearer demo")
                .header(CONTENT_TYPE, "application/json");
            if has_key {
                request = request.header("idempotency-key", format!("\"{number}\""));
            }
            request.body(QUESTION.into())
        })
    }
}

/// Adds the pace that `pace = { key = "upstream" }` stands for: one limit for all requests.
fn with_pace(mut config: Config) -> Config {
    for upstream in config.upstreams.values_mut() {
        upstream.pace = Some(PaceConfig::default());
    }
    for route in &mut config.routes {
        *route = RouteConfig::with_upstream(&route.upstream, route.profile, true);
    }
    config
}

/// The name in the table.
impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoRetry => "direct, no retry",
            Self::Naive => "direct, 13 tries",
            Self::Default => "gateway, default",
            Self::Paced => "gateway, paced",
            Self::Llm => "gateway, llm",
        })
    }
}

/// Calls the servers with all strategies, and prints what each cost and what that means.
async fn run(options: &Options) -> anyhow::Result<()> {
    let one = async |shop, strategy, progress: &Progress| row(shop, strategy, options, progress).await;
    let rows = options.rows(&Strategy::ALL, one).await?;
    options.print(&rows)?;
    if !options.json {
        write!(io::stdout(), "{}", summary(&rows))?;
    }
    Ok(())
}

/// Calls one server with one strategy.
async fn row(
    shop: LimitedServer,
    strategy: Strategy,
    options: &Options,
    progress: &Progress,
) -> anyhow::Result<Row<Strategy>> {
    let server = retry_experiment::Server::start(shop, options.load).await?;
    let Some(config) = strategy.gateway(server.address())? else {
        return measure(&server, strategy, strategy.caller(server.address()), progress).await;
    };
    let gateway = Server::bind(&config).await?;
    let caller = strategy.caller(gateway.address()?);
    let mut row = None;
    // The gateway stops when the measurement ends.
    gateway.run(async { row = Some(measure(&server, strategy, caller, progress).await) }).await;
    row.context("the gateway stopped before all requests were made")?
}

/// Returns the table in a few sentences, each of them true for these rows.
fn summary(rows: &[Row<Strategy>]) -> String {
    let sum = |strategy| Totals::new(rows.iter().filter(|row| row.strategy == strategy));
    let (once, naive) = (sum(Strategy::NoRetry), sum(Strategy::Naive));
    let (default, paced, llm) = (sum(Strategy::Default), sum(Strategy::Paced), sum(Strategy::Llm));
    let early = match default.early + paced.early + llm.early {
        0 => "no call came".to_owned(),
        early => format!("{early} calls came"),
    };
    let mut lines = format!(
        "Without retries {1} of {0} requests are served. Up to 13 tries serve {2} with {3} calls, {4} of them earlier than \
         the server asked for.\n",
        once.requests, once.served, naive.served, naive.calls, naive.early,
    );
    lines += &format!(
        "Through the gateway {early} early. Its default profile served {} with {} calls; with a pace it served {} with {}, \
         and the llm profile {} with {}.\n",
        default.served, default.calls, paced.served, paced.calls, llm.served, llm.calls,
    );
    if [default, paced, llm].iter().any(|sum| sum.served < sum.requests) {
        lines += "The rest ran out of attempts (3, and 4 for llm), of time (15 s, and 10 min for llm) or of the \
                  retry budget.\n";
    }
    lines += "Each request is a POST. The default profile retries one after a 429 only if it has an \
              `Idempotency-Key`, so with that profile the requests have one.\n";
    lines
}

/// The totals of one strategy at all servers.
#[derive(Clone, Copy, Default)]
struct Totals {
    requests: u64,
    served: u64,
    calls: u64,
    early: u64,
}

impl Totals {
    fn new<'a>(rows: impl Iterator<Item = &'a Row<Strategy>>) -> Self {
        rows.fold(Self::default(), |sum, row| Self {
            requests: sum.requests + u64::from(row.requests),
            served: sum.served + u64::from(row.served),
            calls: sum.calls + row.server.calls,
            early: sum.early + row.server.early,
        })
    }
}

const QUESTION: &str = r#"{"model":"demo","messages":[{"role":"user","content":"How long is a second?"}]}"#;

#[cfg(test)]
mod tests {
    use retry_experiment::Tally;

    use super::*;

    fn row(strategy: Strategy, served: u32, calls: u64, early: u64) -> Row<Strategy> {
        let server = Tally { calls, successes: served.into(), early };
        let (shop, requests) = (LimitedServer::Bucket, 10);
        Row { shop, strategy, requests, served, server, p50_ms: 0, p99_ms: 0, wall_ms: 0 }
    }

    #[test]
    fn the_sentences_have_the_figures_of_the_rows() {
        let mut rows = vec![
            row(Strategy::NoRetry, 4, 10, 0),
            row(Strategy::NoRetry, 3, 10, 0),
            row(Strategy::Naive, 5, 99, 88),
            row(Strategy::Default, 10, 14, 0),
            row(Strategy::Paced, 10, 13, 0),
            row(Strategy::Llm, 10, 12, 0),
        ];
        let text = summary(&rows);
        for sentence in [
            "Without retries 7 of 20 requests are served. ",
            "13 tries serve 5 with 99 calls, 88 of them earlier ",
            "no call came early. ",
            "default profile served 10 with 14 calls; with a pace it served 10 with 13, and the llm profile 10 with 12.",
        ] {
            assert!(text.contains(sentence), "{sentence:?} is not in {text}");
        }
        assert!(!text.contains("The rest"), "{text}");
        rows.push(row(Strategy::Paced, 9, 12, 2));
        let text = summary(&rows);
        assert!(
            text.contains("2 calls came early. ") && text.contains("The rest ran out of attempts"),
            "{text}"
        );
    }

    #[test]
    fn each_gateway_equals_that_of_a_file_or_an_argument() {
        let server = SocketAddr::from(([127, 0, 0, 1], 80));
        let gateway = |strategy: Strategy| strategy.gateway(server).unwrap().unwrap();
        for strategy in [Strategy::NoRetry, Strategy::Naive] {
            assert_eq!(strategy.gateway(server).unwrap(), None);
        }
        for (strategy, rest) in [
            (Strategy::Default, ""),
            (Strategy::Paced, "pace = { key = \"upstream\" }"),
            (Strategy::Llm, "pace = { key = \"credential+model\", longest = \"120s\" }\n"),
        ] {
            let profile = if strategy == Strategy::Llm { "llm" } else { "default" };
            let text = format!(
                "listen = \"127.0.0.1:0\"\naccess_log = {{ enabled = false }}\n\
                 [upstreams.upstream]\nendpoints = [\"http://127.0.0.1:80\"]\n{rest}\n\
                 [[routes]]\nupstream = \"upstream\"\nprofile = \"{profile}\"\n",
            );
            assert_eq!(gateway(strategy), Config::parse("demo.toml", &text).unwrap(), "{strategy}");
        }
    }
}
