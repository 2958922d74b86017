//! Calls four servers in five ways, and prints what it cost.

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use retry_experiment::{Plan, Shop, Way, run, table};

/// Calls four servers on this machine in five ways, and prints what it cost.
///
/// Every server answers 429 and `Retry-After: 1` to whom it does not serve, and does the counting:
/// "wasted" are calls that served nobody, "early" are calls that came back before the second was over.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Requests per server and way (twice as many where the server announces its limit).
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    requests: u32,
    /// Requests under way at a time (for the bucket, all are).
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    workers: u32,
    /// Requests a second that the bucket serves.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// Requests at once that the bucket serves.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    burst: u32,
    /// How often ours sends a request at most without a pace (with one, 3 are enough).
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..))]
    attempts: u32,
    /// Where the delays of ours are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this server.
    #[arg(long)]
    server: Option<Shop>,
    /// Print the rows as JSON.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let plan = Plan {
        requests: args.requests,
        workers: args.workers,
        rate: args.rate,
        burst: args.burst,
        attempts: args.attempts,
        seed: args.seed,
    };
    let shops = args.server.map_or(Shop::ALL.to_vec(), |shop| vec![shop]);

    let requests: u64 = shops.iter().map(|shop| u64::from(plan.requests_of(*shop))).sum();
    let bar = ProgressBar::new(requests * Way::ALL.len() as u64);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} requests  {msg}")?);
    let mut rows = Vec::with_capacity(shops.len() * Way::ALL.len());
    for shop in shops {
        for way in Way::ALL {
            bar.set_message(format!("{}, {}", shop.name(), way.name()));
            let tick = bar.clone();
            rows.push(run(shop, way, plan, move || tick.inc(1)).await?);
        }
    }
    bar.finish_and_clear();

    if args.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        println!("{}", table(&rows));
    }
    Ok(())
}
