//! Tables, with what is promised beside what was measured.

use std::fmt::Display;

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

/// A table that can be pasted into a page.
#[derive(Debug)]
pub(crate) struct Report {
    title: String,
    table: Table,
}

impl Report {
    pub(crate) fn new(title: &str, columns: &[&str]) -> Self {
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN).set_header(columns.iter().copied());
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        Self { title: title.to_owned(), table }
    }

    pub(crate) fn row<T: Display>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.table.add_row(cells.into_iter().map(|cell| cell.to_string()));
    }

    pub(crate) fn print(&self) {
        println!("\n{}\n\n{}", self.title, self.table);
    }
}

/// A figure and the most that it may be.
pub(crate) fn held(figure: f64, most: f64) -> String {
    let verdict = if figure <= most { "held" } else { "NOT HELD" };
    format!("{figure:.3} (at most {most}: {verdict})")
}

/// The one in the middle.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
