//! What the layer costs beside its peers.
//!
//! `cargo bench -p retry-bench --bench peers` runs all parts but the last two, and names of parts behind
//! `--` only those. It needs valgrind for the instructions, and Linux for the memory.

mod budget;
mod counts;
mod guard;
mod instructions;
mod pace;
mod promise;
mod report;
mod time;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use retry_bench::{Case, prepare};

use self::report::Report;

/// Measures what retry layers add to the cost of a request.
#[derive(Debug, Parser)]
struct Cli {
    /// What is measured; everything but the million and the guard if nothing is named.
    parts: Vec<Part>,
    /// How many rounds of the parts that take time.
    #[arg(long, default_value_t = 401)]
    rounds: usize,
    /// Sends so many requests of a case through a subject, for callgrind to watch.
    #[arg(long, hide = true, num_args = 3, value_names = ["CASE", "SUBJECT", "REQUESTS"])]
    send: Vec<String>,
    /// Prints the nanoseconds of a case for each subject, in this process.
    #[arg(long, hide = true, value_name = "CASE")]
    time: Option<Case>,
    /// What cargo passes to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Instructions for each request, under callgrind.
    Instructions,
    /// Allocations for each request.
    Allocations,
    /// Nanoseconds for each request.
    Time,
    /// Sizes of futures, and of requests that wait.
    Memory,
    /// Nanoseconds for each deposit and withdrawal.
    Budget,
    /// What a pace adds to a request whose key is free.
    Pace,
    /// A million requests that wait.
    Million,
    /// Only fails where a change made the layer dearer.
    Guard,
}

impl Part {
    fn is_usual(self) -> bool {
        !matches!(self, Self::Million | Self::Guard)
    }
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    if let [case, subject, requests] = &cli.send[..] {
        return send(case, subject, requests.parse()?);
    }
    if let Some(case) = cli.time {
        time::print(case, cli.rounds);
        return Ok(());
    }
    let mut report = Report::default();
    for part in Part::value_variants() {
        let is_asked_for = if cli.parts.is_empty() { part.is_usual() } else { cli.parts.contains(part) };
        if !is_asked_for {
            continue;
        }
        match part {
            Part::Instructions => instructions::measure(&mut report)?,
            Part::Allocations => counts::allocations(&mut report)?,
            Part::Time => time::measure(&mut report, cli.rounds)?,
            Part::Memory => counts::memory(&mut report)?,
            Part::Budget => budget::measure(&mut report, cli.rounds),
            Part::Pace => pace::measure(&mut report, cli.rounds)?,
            Part::Million => counts::million(&mut report)?,
            Part::Guard => return guard::check(),
        }
    }
    report.print();
    Ok(())
}

fn send(case: &str, subject: &str, requests: u64) -> anyhow::Result<()> {
    let mut run = prepare(read(case)?, read(subject)?).context("it would sleep")?;
    run(requests);
    Ok(())
}

/// As it is written on a command line.
fn argument(value: impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// What [`argument`] wrote.
fn read<T: ValueEnum>(argument: &str) -> anyhow::Result<T> {
    T::from_str(argument, false).map_err(anyhow::Error::msg)
}
