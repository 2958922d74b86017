//! The grid's reports as Markdown.

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

use super::must::Check;
use super::report::{FamilyReport, Spread};
use super::sweep::{DrawReport, STRATEGIES};

/// The figures of each family and each strategy: the median draw, and the worst.
pub fn figures_table(reports: &[FamilyReport]) -> Table {
    let header = [
        "family",
        "draws",
        "strategy",
        "T, s",
        "/ floor",
        "/ alone",
        "refused",
        "p50 W, s",
        "p99 W, s",
        "held %",
        "unserved %",
    ];
    let mut table = table(&header, 3);
    for report in reports {
        for (index, strategy) in report.strategies.iter().enumerate() {
            let is_first = index == 0;
            table.add_row([
                if is_first { report.family.to_owned() } else { String::new() },
                if is_first { report.draws.to_string() } else { String::new() },
                strategy.strategy.to_owned(),
                pair(strategy.time, 1.0, 2),
                pair(strategy.time_to_floor, 1.0, 2),
                pair(strategy.time_to_alone, 1.0, 2),
                pair(strategy.refused, 1.0, 0),
                pair(strategy.p50, 1.0, 3),
                pair(strategy.p99, 1.0, 3),
                pair(strategy.held, 100.0, 0),
                pair(strategy.unserved, 100.0, 1),
            ]);
        }
    }
    table
}

/// A row for each family: how many promises hold, the one that is missed worst, and the command that repeats the
/// worst draw of that one.
pub fn verdict_table(reports: &[FamilyReport]) -> Table {
    let header = ["family", "holds", "promises", "aims", "worst promise", "held", "measured", "must", "draw"];
    let mut table = table(&header, 1);
    for report in reports {
        let Some(worst) = report.checks.first() else {
            continue;
        };
        let held = report.checks.iter().filter(|check| check.is_held).count();
        let aims = || report.checks.iter().filter_map(|check| Some((check.aim_reached?, check.draws)));
        let reached = aims().filter(|(reached, draws)| 2 * reached >= *draws).count();
        table.add_row([
            report.family.to_owned(),
            if report.is_held { "yes".to_owned() } else { "NO".to_owned() },
            format!("{held} of {}", report.checks.len()),
            format!("{reached} of {}", aims().count()),
            worst.name.to_owned(),
            format!("{} of {}", worst.held, worst.draws),
            worst.worst.unit.text(worst.worst.measured),
            worst.worst.unit.text(worst.worst.must),
            worst.repeat.clone(),
        ]);
    }
    table
}

/// The promises that are missed, but for the worst of each family.
pub fn other_misses(reports: &[FamilyReport]) -> Option<Table> {
    let mut table = table(&["family", "promise", "held", "measured", "must", "draw"], 2);
    for report in reports {
        for check in report.checks.iter().skip(1).filter(|check| !check.is_held) {
            table.add_row([
                report.family.to_owned(),
                check.name.to_owned(),
                format!("{} of {}", check.held, check.draws),
                check.worst.unit.text(check.worst.measured),
                check.worst.unit.text(check.worst.must),
                check.repeat.clone(),
            ]);
        }
    }
    (!table.is_empty()).then_some(table)
}

/// The figures of the four runs of one draw.
pub fn runs_table(draw: &DrawReport) -> Table {
    let mut table =
        table(&["strategy", "served", "calls", "refused", "T, s", "p50 W, s", "p99 W, s", "held %"], 1);
    for (name, figures) in STRATEGIES.iter().zip(&draw.figures) {
        table.add_row([
            (*name).to_owned(),
            format!("{} of {}", figures.served, figures.requests),
            figures.calls.to_string(),
            figures.refused.to_string(),
            format!("{:.3}", figures.time),
            format!("{:.3}", figures.p50),
            format!("{:.3}", figures.p99),
            format!("{:.0}", figures.held * 100.0),
        ]);
    }
    table
}

/// All checks of one draw.
pub fn checks_table(checks: &[Check]) -> Table {
    let mut table = table(&["promise", "measured", "must", "aim", "held"], 1);
    for check in checks {
        let held = match (check.is_held(), check.is_gross()) {
            (true, _) => "yes",
            (false, false) => "NO",
            (false, true) => "NO, twofold",
        };
        table.add_row([
            check.name.to_owned(),
            check.unit.text(check.measured),
            check.unit.text(check.must),
            check.aim.map(|aim| check.unit.text(aim)).unwrap_or_default(),
            held.to_owned(),
        ]);
    }
    table
}

/// An empty table whose columns from `first_right` on are aligned to the right.
fn table(header: &[&str], first_right: usize) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(header);
    for column in table.column_iter_mut().skip(first_right) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// The median and the worst draw.
fn pair(spread: Spread, scale: f64, digits: usize) -> String {
    format!("{:.digits$} {:.digits$}", spread.median * scale, spread.worst * scale)
}
