//! The table.

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

use crate::bucket::Bucket;
use crate::trial::{Row, Trial};
use crate::way::Strategy;

/// The servers of the table. The last holds a single token, so that any two calls that happen to arrive at the
/// same moment cost a refusal: no client that only hears the answers does well there.
const BUCKETS: [Bucket; 5] = [
    Bucket { rate: 10, burst: 10 },
    Bucket { rate: 25, burst: 5 },
    Bucket { rate: 50, burst: 10 },
    Bucket { rate: 200, burst: 20 },
    Bucket { rate: 50, burst: 1 },
];

impl Trial {
    /// A row for each server of the table and each way of calling it.
    pub fn rows(&self) -> Vec<Row> {
        BUCKETS.into_iter().flat_map(|bucket| Strategy::ALL.map(|way| self.row(bucket, way))).collect()
    }
}

/// All rows, in the order given, in Markdown.
pub fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header([
        "bucket", "way", "served", "calls", "worst", "/ oracle", "time", "worst", "/ oracle", "attempts",
    ]);
    for row in rows {
        table.add_row([
            row.bucket.to_string(),
            row.way.name().to_owned(),
            format!("{} of {}", row.served, row.requests),
            format!("{:.0}", row.calls_mean),
            row.calls_worst.to_string(),
            format!("{:.2}", row.calls_to_oracle),
            format!("{:.1} s", row.seconds_mean),
            format!("{:.1} s", row.seconds_worst),
            format!("{:.2}", row.time_to_oracle),
            row.most_attempts.to_string(),
        ]);
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
