//! The commands of the grid.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

use anyhow::Context;
use clap::Args;
use retry_sim::grid::{
    DrawReport, Family, FamilyReport, Runs, Setting, Sweep, checks_table, figures_table, other_misses,
    runs_table, verdict_table,
};
use retry_sim::plot_svg;
use serde_json::json;

use crate::print_out::print_out;

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
    /// A file with the names of the families that are known to hold, one a line. Only they decide the exit status.
    #[arg(long, value_name = "FILE")]
    expect: Option<PathBuf>,
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

/// The options of `plot`.
#[derive(Debug, Args)]
pub(crate) struct PlotArgs {
    /// The family.
    family: String,
    /// The file to write.
    pub(crate) file: PathBuf,
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
    let expected = args.expect.as_deref().map(read_names).transpose()?;
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let sweep = Sweep { families, draws: args.draws, seed: args.seed, threads };
    let played = sweep.play();
    let reports: Vec<_> =
        sweep.families.iter().zip(&played).map(|(family, draws)| FamilyReport::new(family, draws)).collect();
    let held = reports.iter().filter(|report| report.is_held).count();
    let holds = held == reports.len();
    if args.json {
        let all = json!({ "seed": args.seed, "draws": args.draws, "holds": holds, "families": reports });
        print_out(serde_json::to_string_pretty(&all)?)?;
    } else {
        print_out(format_args!("{}\n", figures_table(&reports)))?;
        if let Some(others) = other_misses(&reports) {
            print_out(format_args!("Other promises that do not hold:\n\n{others}\n"))?;
        }
        print_out(format_args!("{}\n", verdict_table(&reports)))?;
        print_out(format_args!(
            "{held} of {} families hold. Seeds {} and up, {} draws.",
            reports.len(),
            args.seed,
            args.draws
        ))?;
    }
    let is_success = match &expected {
        Some(expected) => compare(&reports, expected),
        None => holds,
    };
    Ok(if is_success { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Reads the names of families, one a line. Empty lines and those that begin with `#` are left out.
fn read_names(file: &Path) -> anyhow::Result<Vec<String>> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let names = lines.map(|name| Family::named(name).map(|family| family.name.to_owned()));
    names.collect::<anyhow::Result<_>>().with_context(|| file.display().to_string())
}

/// Returns whether all families that were played and are expected to hold do so. It prints those that do not to standard
/// error, and those that hold although nobody expects it.
fn compare(reports: &[FamilyReport], expected: &[String]) -> bool {
    let is_expected = |report: &&FamilyReport| expected.iter().any(|name| name == report.family);
    let (expected, others): (Vec<_>, Vec<_>) = reports.iter().partition(is_expected);
    let broken: Vec<_> =
        expected.iter().filter(|report| !report.is_held).map(|report| report.family).collect();
    let new: Vec<_> = others.iter().filter(|report| report.is_held).map(|report| report.family).collect();
    if !new.is_empty() {
        eprintln!("These families hold and are not in the file of --expect: {}", new.join(", "));
    }
    if !broken.is_empty() {
        eprintln!("These families are expected to hold and do not: {}", broken.join(", "));
    }
    broken.is_empty()
}

/// Plays one draw.
pub(crate) fn one(args: &OneArgs) -> anyhow::Result<()> {
    let (family, draw, runs) = play(&args.family, &args.settings)?;
    print_out(format_args!("{}\n", family.about))?;
    let parameters = draw.parameters.join(" ");
    print_out(format_args!("retry-sim one {} seed={} {parameters}\n", family.name, draw.seed))?;
    print_out(format_args!("{}\n\n{}", runs_table(&draw), checks_table(&draw.checks)))?;
    if !runs.pace.outcome.trace.is_empty() {
        print_out(format_args!("\n{}", runs.pace.outcome.trace.join("\n")))?;
    }
    Ok(())
}

/// Plays one draw, and returns its plot.
pub(crate) fn plot(args: &PlotArgs) -> anyhow::Result<String> {
    let (family, draw, runs) = play(&args.family, &args.settings)?;
    plot_svg(family, &draw, &runs)
}

/// Plays one draw with a trace.
fn play(family: &str, settings: &[Setting]) -> anyhow::Result<(&'static Family, DrawReport, Runs)> {
    let family = Family::named(family)?;
    let (seeds, settings): (Vec<_>, Vec<_>) =
        settings.iter().cloned().partition(|setting| setting.name == "seed");
    let seed = seeds.last().map_or(Ok(1), |setting| {
        setting
            .value
            .parse()
            .map_err(|_| anyhow::anyhow!("seed cannot be {:?}; it is a whole number", setting.value))
    })?;
    let (draw, runs) = DrawReport::new(family, seed, &settings, true)?;
    Ok((family, draw, runs))
}

/// Reads `name=value`.
fn setting(text: &str) -> Result<Setting, String> {
    let (name, value) = text.split_once('=').ok_or("it has the form NAME=VALUE")?;
    Ok(Setting { name: name.to_owned(), value: value.to_owned() })
}
