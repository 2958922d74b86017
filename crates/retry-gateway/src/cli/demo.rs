//! `demo`: the reference experiment, with a gateway between the callers and the servers.

use std::fmt;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request, Uri};
pub(crate) use retry_experiment::Options;
use retry_experiment::{Caller, NAIVE_TRIES, Progress, Row, Shop, measure};
use retry_gateway::Server;
use retry_gateway::config::{Config, PaceConfig, Profile, RouteConfig};
use serde::Serialize;

/// A way to the server. Behind a gateway the callers never try twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Way {
    /// Straight, once.
    NoRetry,
    /// Straight, up to 13 times, at once.
    Naive,
    /// Through a gateway, by its defaults.
    Default,
    /// The same, with a pace.
    Paced,
    /// Through a gateway for APIs of language models.
    Llm,
}

impl Way {
    const ALL: [Self; 5] = [Self::NoRetry, Self::Naive, Self::Default, Self::Paced, Self::Llm];

    /// The gateway on this way, if there is one.
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

    /// Callers of this address, who send what a script sends to a language model. The default profile leaves a
    /// POST to its client, unless it has a key.
    fn caller(self, address: SocketAddr) -> Caller {
        let tries = if self == Self::Naive { NAIVE_TRIES } else { 1 };
        let is_keyed = matches!(self, Self::Default | Self::Paced);
        Caller::plain(tries, move |number| {
            let mut request = Request::post(format!("http://{address}/v1/chat/completions"))
                .header(AUTHORIZATION, "Bearer demo")
                .header(CONTENT_TYPE, "application/json");
            if is_keyed {
                request = request.header("idempotency-key", format!("\"{number}\""));
            }
            request.body(QUESTION.into())
        })
    }
}

/// One limit for all requests: `pace = { key = "upstream" }`.
fn with_pace(mut config: Config) -> Config {
    for upstream in config.upstreams.values_mut() {
        upstream.pace = Some(PaceConfig::default());
    }
    for route in &mut config.routes {
        *route = RouteConfig::with_upstream(&route.upstream, route.profile, true);
    }
    config
}

/// As the table names it.
impl fmt::Display for Way {
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

/// Calls the servers in all ways, and prints what it cost and what that means.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let one = async |shop, way, progress: &Progress| row(shop, way, options, progress).await;
    let rows = options.rows(&Way::ALL, one).await?;
    options.print(&rows)?;
    if !options.json {
        write!(io::stdout(), "{}", meaning(&rows))?;
    }
    Ok(())
}

/// One server, called in one way.
async fn row(shop: Shop, way: Way, options: &Options, progress: &Progress) -> anyhow::Result<Row<Way>> {
    let server = retry_experiment::Server::start(shop, options.load).await?;
    let Some(config) = way.gateway(server.address())? else {
        return measure(&server, way, way.caller(server.address()), progress).await;
    };
    let gateway = Server::bind(&config).await?;
    let caller = way.caller(gateway.address()?);
    let mut row = None;
    // It is there for as long as it is called.
    gateway.run(async { row = Some(measure(&server, way, caller, progress).await) }).await;
    row.context("the gateway stopped before all requests were made")?
}

/// The table in a few sentences, each of which holds for these rows.
fn meaning(rows: &[Row<Way>]) -> String {
    let sum = |way| Sum::of(rows.iter().filter(|row| row.way == way));
    let (once, naive) = (sum(Way::NoRetry), sum(Way::Naive));
    let (default, paced, llm) = (sum(Way::Default), sum(Way::Paced), sum(Way::Llm));
    let early = match default.early + paced.early + llm.early {
        0 => "no call came".to_owned(),
        early => format!("{early} calls came"),
    };
    let mut lines = format!(
        "Of {} requests {} are served at once. Up to 13 tries serve {}, for {} calls, {} of them earlier than the \
         server had asked.\n",
        once.requests, once.served, naive.served, naive.calls, naive.early,
    );
    lines += &format!(
        "Through the gateway {early} early. Its default profile served {}, for {} calls; with a pace {}, for {}; the \
         llm profile {}, for {}.\n",
        default.served, default.calls, paced.served, paced.calls, llm.served, llm.calls,
    );
    if [default, paced, llm].iter().any(|sum| sum.served < sum.requests) {
        lines += "The rest ran out of attempts (3, and 4 for llm), of time (15 s, and 10 min for llm) or of the \
                  retry budget.\n";
    }
    lines += "Each request is a POST. The default profile sends one again after a 429 only if it has an \
              `Idempotency-Key`, so there it has.\n";
    lines
}

/// What one way came to at all servers.
#[derive(Clone, Copy, Default)]
struct Sum {
    requests: u64,
    served: u64,
    calls: u64,
    early: u64,
}

impl Sum {
    fn of<'a>(rows: impl Iterator<Item = &'a Row<Way>>) -> Self {
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

    fn row(way: Way, served: u32, calls: u64, early: u64) -> Row<Way> {
        let server = Tally { calls, successes: served.into(), early };
        let (shop, requests) = (Shop::Bucket, 10);
        Row { shop, way, requests, served, server, p50_ms: 0, p99_ms: 0, wall_ms: 0 }
    }

    #[test]
    fn the_sentences_say_what_the_rows_say() {
        let mut rows = vec![
            row(Way::NoRetry, 4, 10, 0),
            row(Way::NoRetry, 3, 10, 0),
            row(Way::Naive, 5, 99, 88),
            row(Way::Default, 10, 14, 0),
            row(Way::Paced, 10, 13, 0),
            row(Way::Llm, 10, 12, 0),
        ];
        let text = meaning(&rows);
        for sentence in [
            "Of 20 requests 7 are served at once. ",
            "13 tries serve 5, for 99 calls, 88 of them earlier ",
            "no call came early. ",
            "default profile served 10, for 14 calls; with a pace 10, for 13; the llm profile 10, for 12.",
        ] {
            assert!(text.contains(sentence), "{sentence:?} is not in {text}");
        }
        assert!(!text.contains("The rest"), "{text}");
        rows.push(row(Way::Paced, 9, 12, 2));
        let text = meaning(&rows);
        assert!(
            text.contains("2 calls came early. ") && text.contains("The rest ran out of attempts"),
            "{text}"
        );
    }

    #[test]
    fn each_gateway_is_what_the_file_or_the_flag_makes() {
        let server = SocketAddr::from(([127, 0, 0, 1], 80));
        let gateway = |way: Way| way.gateway(server).unwrap().unwrap();
        for way in [Way::NoRetry, Way::Naive] {
            assert_eq!(way.gateway(server).unwrap(), None);
        }
        for (way, rest) in [
            (Way::Default, ""),
            (Way::Paced, "pace = { key = \"upstream\" }"),
            (Way::Llm, "pace = { key = \"header:authorization\", longest = \"120s\" }\n"),
        ] {
            let profile = if way == Way::Llm { "llm" } else { "default" };
            let text = format!(
                "listen = \"127.0.0.1:0\"\naccess_log = {{ enabled = false }}\n\
                 [upstreams.upstream]\nendpoints = [\"http://127.0.0.1:80\"]\n{rest}\n\
                 [[routes]]\nupstream = \"upstream\"\nprofile = \"{profile}\"\n",
            );
            assert_eq!(gateway(way), Config::parse("demo.toml", &text).unwrap(), "{way}");
        }
    }
}
