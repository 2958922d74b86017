//! The commands of the grid.

use std::process::ExitCode;
use std::thread;

use clap::Args;
use retry_sim::grid::{
    DrawReport, Family, FamilyReport, Setting, Sweep, checks_table, figures_table, other_misses, runs_table,
    verdict_table,
};
use serde_json::json;

/// The options of `grid`.
#[derive(Debug, Args)]
pub(crate) struct GridArgs {
    /// A family; all of them, if none is given.
    #[arg(long, value_name = "NAME", num_args = 1..)]
    family: Vec<String>,
    /// The number of draws of each family.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    draws: u32,
    /// The seed of the first draw.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print all figures and promises as JSON.
    #[arg(long)]
    json: bool,
}

/// The options of `one`.
#[derive(Debug, Args)]
pub(crate) struct OneArgs {
    /// The family.
    family: String,
    /// The seed and other parameters of the draw, such as seed=7 or rate=40.
    #[arg(value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<Setting>,
}

/// Plays the grid.
pub(crate) fn grid(args: &GridArgs) -> anyhow::Result<ExitCode> {
    let families = match args.family.as_slice() {
        [] => Family::all().collect(),
        names => names.iter().map(|name| Family::named(name)).collect::<anyhow::Result<Vec<_>>>()?,
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let sweep = Sweep { families, draws: args.draws, seed: args.seed, threads };
    let played = sweep.play();
    let reports: Vec<_> =
        sweep.families.iter().zip(&played).map(|(family, draws)| FamilyReport::new(family, draws)).collect();
    let held = reports.iter().filter(|report| report.is_held).count();
    let holds = held == reports.len();
    if args.json {
        let all = json!({ "seed": args.seed, "draws": args.draws, "holds": holds, "families": reports });
        println!("{}", serde_json::to_string_pretty(&all)?);
    } else {
        println!("{}\n", figures_table(&reports));
        if let Some(others) = other_misses(&reports) {
            println!("Other promises that do not hold:\n\n{others}\n");
        }
        println!("{}\n", verdict_table(&reports));
        println!(
            "{held} of {} families hold. Seeds {} and up, {} draws.",
            reports.len(),
            args.seed,
            args.draws
        );
    }
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Plays one draw.
pub(crate) fn one(args: &OneArgs) -> anyhow::Result<()> {
    let family = Family::named(&args.family)?;
    let (seeds, settings): (Vec<_>, Vec<_>) =
        args.settings.iter().cloned().partition(|setting| setting.name == "seed");
    let seed = seeds.last().map_or(Ok(1), |setting| {
        setting
            .value
            .parse()
            .map_err(|_| anyhow::anyhow!("seed cannot be {:?}; it is a whole number", setting.value))
    })?;
    let (draw, runs) = DrawReport::new(family, seed, &settings, true)?;
    println!("{}\n", family.about);
    println!("retry-sim one {} seed={seed} {}\n", family.name, draw.parameters.join(" "));
    println!("{}\n\n{}", runs_table(&draw), checks_table(&draw.checks));
    if !runs.pace.outcome.trace.is_empty() {
        println!("\n{}", runs.pace.outcome.trace.join("\n"));
    }
    Ok(())
}

/// Reads `name=value`.
fn setting(text: &str) -> Result<Setting, String> {
    let (name, value) = text.split_once('=').ok_or("it has the form NAME=VALUE")?;
    Ok(Setting { name: name.to_owned(), value: value.to_owned() })
}
