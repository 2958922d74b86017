//! The table.

use std::fmt::Display;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};

use crate::run::Row;

/// What a call to the paid API costs in the story that the experiment answers.
const DOLLARS_PER_CALL: f64 = 0.0165;

/// What the calls of a row cost.
pub fn dollars<W>(row: &Row<W>) -> f64 {
    row.server.calls as f64 * DOLLARS_PER_CALL
}

/// All rows, in the order given.
pub fn table<W: Display>(rows: &[Row<W>]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header([
        "server", "strategy", "success", "calls", "wasted", "early", "cost", "p50", "p99", "wall",
    ]);
    for row in rows {
        table.add_row([
            row.shop.name().to_owned(),
            row.strategy.to_string(),
            format!("{:.0} %", 100.0 * f64::from(row.served) / f64::from(row.requests)),
            row.server.calls.to_string(),
            row.wasted().to_string(),
            row.server.early.to_string(),
            format!("${:.2}", dollars(row)),
            format!("{} ms", row.p50_ms),
            format!("{} ms", row.p99_ms),
            format!("{:.2} s", row.wall_ms as f64 / 1_000.0),
        ]);
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
