//! Calls four servers in five strategies, and prints what it cost.

use clap::Parser;
use retry_experiment::{Options, Plan, Strategy, run};

/// Calls four servers on this machine in five strategies, and prints what it cost.
///
/// Every server answers 429 and `Retry-After: 1` to whom it does not serve, and does the counting:
/// "wasted" are calls that served nobody, "early" are calls that came back before the second was over.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    options: Options,
    /// How often ours sends a request at most without a pace (with one, 3 are enough).
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..))]
    attempts: u32,
    /// Where the delays of ours are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Cli { options, attempts, seed } = Cli::parse();
    let plan = Plan { load: options.load, attempts, seed };
    let rows = options
        .rows(&Strategy::ALL, async |shop, strategy, progress| run(shop, strategy, plan, progress).await);
    options.print(&rows.await?)
}
