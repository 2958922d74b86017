//! Calls four servers in five strategies, and prints what it cost. The command `harm` looks for cases in which a pace harms
//! its callers.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use retry_experiment::harm::{HarmRow, TABLE_HEADER};
use retry_experiment::{Options, Plan, Strategy, run};

/// Calls four servers on this machine in five strategies, and prints what it cost.
///
/// Every server answers 429 and `Retry-After: 1` to whom it does not serve, and does the counting:
/// "wasted" are calls that served nobody, "early" are calls that came back before the second was over.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    experiment: Experiment,
}

#[derive(Debug, Args)]
struct Experiment {
    #[command(flatten)]
    options: Options,
    /// How often ours sends a request at most without a pace (with one, 3 are enough).
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..))]
    attempts: u32,
    /// Where the delays of ours are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Checks that a pace does not harm its callers, and prints a Markdown table.
    ///
    /// Each row is a server on this machine, called without a pace and with one. The exit status is 1 if a time with the
    /// pace exceeds its bound, or if a request that can be served is not served.
    Harm {
        /// Plays only this row; may be given several times.
        #[arg(long = "row", value_name = "NAME")]
        rows: Vec<HarmRow>,
    },
}

/// The exit status is 1 if a bound of `harm` does not hold, and 2 after an error.
#[tokio::main]
async fn main() -> ExitCode {
    let Cli { command, experiment } = Cli::parse();
    let exit = match command {
        Some(Command::Harm { rows }) => harm(&rows).await,
        None => compare(experiment).await,
    };
    exit.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(2)
    })
}

/// Compares the strategies.
async fn compare(Experiment { options, attempts, seed }: Experiment) -> anyhow::Result<ExitCode> {
    let plan = Plan { load: options.load, attempts, seed };
    let rows = options
        .rows(&Strategy::ALL, async |shop, strategy, progress| run(shop, strategy, plan, progress).await);
    options.print(&rows.await?)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints each row once it is played.
async fn harm(rows: &[HarmRow]) -> anyhow::Result<ExitCode> {
    let rows = if rows.is_empty() { HarmRow::value_variants() } else { rows };
    let mut all_hold = true;
    // Not `println`, which panics where nobody reads.
    writeln!(io::stdout(), "{TABLE_HEADER}")?;
    for row in rows.iter().filter(|row| row.is_for(false)) {
        for figure in row.play(None).await? {
            writeln!(io::stdout(), "{figure}")?;
            all_hold &= figure.holds();
        }
    }
    Ok(if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
