//! Compares ways of calling a server with a limit, in virtual time.

mod fleet_command;
mod grid_commands;
mod print_out;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use http_retry::ExponentialBackoff;
use http_retry::testing::Plot;
use retry_sim::schedule_svg;

/// Compares ways of calling a server with a limit, in virtual time.
///
/// The grid has families of servers. A draw of a family is one server with its callers. They send with a pace, with a
/// pace that starts slowly, and without.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Plays many draws of each family, and prints whether the promises of the pace hold.
    ///
    /// The exit status is 1 if one does not hold; see also --expect. The first number of a cell is the median draw, the second the
    /// worst.
    Grid(grid_commands::GridArgs),
    /// Plays one draw of a family, and prints its parameters, figures, promises and the trace of the pace.
    One(grid_commands::OneArgs),
    /// Plots one draw of a family as SVG: the calls and rates over time, with a pace and without.
    Plot(grid_commands::PlotArgs),
    /// Plays members of a fleet on one limit, and prints what they cost beside one member.
    Fleet(fleet_command::FleetArgs),
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

/// The exit status is 1 if a promise of the grid does not hold, and 2 after an error.
fn main() -> ExitCode {
    run(Args::parse().command).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(2)
    })
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Grid(args) => return grid_commands::grid(&args),
        Command::One(args) => grid_commands::one(&args)?,
        Command::Plot(args) => write(&args.file, &grid_commands::plot(&args)?)?,
        Command::Fleet(args) => fleet_command::fleet(&args)?,
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
