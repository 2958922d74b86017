//! The command `fleet`.

use clap::Args;
use retry_sim::fleet::{FleetScenario, fleet_rows, fleet_table};

use crate::print_out::print_out;

/// The options of `fleet`.
#[derive(Debug, Args)]
pub(crate) struct FleetArgs {
    /// The numbers of members.
    #[arg(long, value_name = "N", num_args = 1.., default_values_t = [1, 4, 16, 64])]
    members: Vec<usize>,
    /// The number of runs of each row, of which the table has the means.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Play only the rows with this text in their names.
    #[arg(long, value_name = "TEXT", default_value = "")]
    row: String,
    /// Leave the store out, so that each member learns for itself.
    #[arg(long)]
    without_store: bool,
    /// Print the rows as JSON.
    #[arg(long)]
    json: bool,
}

/// Plays the fleet, and prints its table.
pub(crate) fn fleet(args: &FleetArgs) -> anyhow::Result<()> {
    let mut scenarios = FleetScenario::all();
    scenarios.retain(|scenario| scenario.name.contains(&args.row));
    scenarios.iter_mut().for_each(|scenario| scenario.shares = !args.without_store);
    anyhow::ensure!(!scenarios.is_empty(), "no row has {:?} in its name", args.row);
    anyhow::ensure!(args.members.iter().all(|members| *members > 0), "a fleet has at least one member");
    let rows = fleet_rows(&scenarios, &args.members, 7_001..7_001 + args.seeds);
    if args.json {
        print_out(serde_json::to_string_pretty(&rows)?)?;
    } else {
        print_out(fleet_table(&rows))?;
    }
    Ok(())
}
