//! Compares ways of calling a server with a limit, in virtual time.

mod grid_commands;

use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use http_retry::ExponentialBackoff;
use http_retry::testing::Plot;
use retry_sim::{Trial, plot, schedule_svg, table};

/// Compares ways of calling a server with a limit, in virtual time.
///
/// The server is a token bucket that answers 429 and `Retry-After: 1` when it is empty. All requests come at
/// once, and are sent with a pace, with a pace that starts slowly, and without.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints a row for each bucket and each way of calling it, in Markdown.
    ///
    /// The oracle knows the limit as soon as the first request is refused, and makes no mistake after that.
    Table {
        /// Requests at once.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
        requests: u32,
        /// How often a request is sent at most.
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
        attempts: u32,
        /// Runs, each with its own seed.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
        seeds: u32,
        /// How many milliseconds a call takes there and back, from and to.
        #[arg(long, default_value = "1..200", value_parser = latency)]
        latency: RangeInclusive<u64>,
        /// Print the rows as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Plays many draws of each family, and prints whether the promises of the pace hold.
    ///
    /// The exit status is 1 if one does not hold. The first number of a cell is the median draw, the second the
    /// worst.
    Grid(grid_commands::GridArgs),
    /// Plays one draw of a family, and prints its parameters, figures, promises and the trace of the pace.
    One(grid_commands::OneArgs),
    /// Draws the calls that reach a server, with a pace and without, as SVG.
    Plot {
        /// The situation.
        name: PlotName,
        /// The file to write.
        file: PathBuf,
    },
    /// Draws when an exponential backoff sends again, as SVG.
    Schedule {
        /// The file to write.
        file: PathBuf,
        /// The first window, in milliseconds.
        #[arg(long, default_value_t = 100)]
        base: u64,
        /// The longest window, in milliseconds.
        #[arg(long, default_value_t = 10_000)]
        cap: u64,
        /// The number of resends.
        #[arg(long, default_value_t = 8)]
        resends: u32,
    },
}

/// A situation that can be drawn.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum PlotName {
    /// 100 requests at once for a bucket.
    Burst,
}

/// The exit status is 1 if a promise of the grid does not hold, and 2 after an error.
fn main() -> ExitCode {
    run(Args::parse().command).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(2)
    })
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Table { requests, attempts, seeds, latency, json } => {
            let rows = Trial { requests, attempts, seeds, latency_ms: latency }.rows();
            if json {
                println!("{}", serde_json::to_string_pretty(&rows)?);
            } else {
                println!("{}", table(&rows));
            }
        }
        Command::Grid(args) => return grid_commands::grid(&args),
        Command::One(args) => grid_commands::one(&args)?,
        Command::Plot { name: PlotName::Burst, file } => {
            write(&file, &plot()?)?;
        }
        Command::Schedule { file, base, cap, resends } => {
            let policy = ExponentialBackoff::new(Duration::from_millis(base), Duration::from_millis(cap));
            write(&file, &schedule_svg(&Plot::with_resends(&policy, resends)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn write(file: &Path, svg: &str) -> anyhow::Result<()> {
    fs::write(file, svg).with_context(|| format!("cannot write {}", file.display()))
}

/// `20`, or `1..200`, both ends included.
fn latency(text: &str) -> anyhow::Result<RangeInclusive<u64>> {
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    let range = from.parse()?..=to.parse()?;
    anyhow::ensure!(!range.is_empty(), "it takes at least {from} ms, and at most {to} ms?");
    Ok(range)
}
