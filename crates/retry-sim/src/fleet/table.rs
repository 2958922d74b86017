//! The table of the fleet: what N members cost, compared with one.

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use super::scenario::FleetScenario;
use super::world::FleetFigures;

/// The figures of a scenario with so many members, as means over the seeds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct FleetRow {
    /// The scenario.
    pub name: &'static str,
    /// The members.
    pub members: usize,
    /// `true` if they share the limit through a store.
    pub shares: bool,
    /// The requests.
    pub requests: f64,
    /// The calls of the server.
    pub calls: f64,
    /// The refused calls.
    pub refused: f64,
    /// The requests that were not served.
    pub unserved: f64,
    /// The time of the whole run, in seconds.
    pub time: f64,
    /// The longest time of a request but for one in a hundred, in seconds.
    pub p99: f64,
    /// The requests to the store for a thousand requests.
    pub asks: f64,
    /// Jain's index of what the members were served.
    pub jain: f64,
}

/// Plays scenarios with numbers of members.
pub fn fleet_rows(
    scenarios: &[FleetScenario],
    members: &[usize],
    seeds: std::ops::Range<u64>,
) -> Vec<FleetRow> {
    let runs = scenarios.iter().flat_map(|scenario| members.iter().map(move |members| (scenario, *members)));
    runs.map(|(scenario, members)| {
        let figures: Vec<_> = seeds.clone().map(|seed| scenario.play(members, seed)).collect();
        let mean = |of: fn(&FleetFigures) -> f64| figures.iter().map(of).sum::<f64>() / figures.len() as f64;
        FleetRow {
            name: scenario.name,
            members,
            shares: scenario.shares,
            requests: mean(|figures| figures.requests as f64),
            calls: mean(|figures| figures.calls as f64),
            refused: mean(|figures| figures.refused as f64),
            unserved: mean(|figures| figures.unserved as f64),
            time: mean(|figures| figures.time),
            p99: mean(|figures| figures.p99),
            asks: mean(|figures| figures.asks),
            jain: mean(|figures| figures.jain),
        }
    })
    .collect()
}

/// Draws rows as Markdown.
pub fn fleet_table(rows: &[FleetRow]) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    let header = [
        "run",
        "members",
        "store",
        "requests",
        "calls",
        "refused",
        "unserved",
        "T, s",
        "p99, s",
        "asks / 1,000",
        "Jain",
    ];
    table.set_header(header);
    for row in rows {
        table.add_row([
            row.name.to_owned(),
            row.members.to_string(),
            if row.shares { "yes" } else { "no" }.to_owned(),
            format!("{:.0}", row.requests),
            format!("{:.0}", row.calls),
            format!("{:.1}", row.refused),
            format!("{:.1}", row.unserved),
            format!("{:.1}", row.time),
            format!("{:.3}", row.p99),
            format!("{:.0}", row.asks),
            format!("{:.3}", row.jain),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
