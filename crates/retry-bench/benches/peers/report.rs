//! The table: what was promised first, and then what was measured.

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};
use retry_bench::{Case, Subject};

use crate::promise;

/// A table that can be pasted into a page.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

/// One measure of one case, for each peer.
#[derive(Debug)]
struct Row {
    measure: Measure,
    case: String,
    /// In the order of [`Subject::PEERS`].
    figures: Vec<Option<f64>>,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    Instructions,
    Time,
    Allocations,
    Bytes,
    Sleeps,
    FutureBytes,
    WaitingBytes,
    Gigabytes,
    BudgetTime,
    PaceInstructions,
    PaceAllocations,
    PaceTime,
    PaceThreads,
}

impl Measure {
    fn name(self) -> &'static str {
        match self {
            Self::Instructions => "instructions added",
            Self::Time => "ns added",
            Self::Allocations => "allocations added",
            Self::Bytes => "bytes allocated more",
            Self::Sleeps => "sleeps",
            Self::FutureBytes => "bytes of the future, without inner future and service",
            Self::WaitingBytes => "heap bytes of each that waits",
            Self::Gigabytes => "GB resident",
            Self::BudgetTime => "ns of an operation on the budget",
            Self::PaceInstructions => "instructions that a pace adds",
            Self::PaceAllocations => "allocations that a pace adds",
            Self::PaceTime => "ns that a pace adds",
            Self::PaceThreads => "time of a call in two threads, of that in one",
        }
    }
}

impl Report {
    pub(crate) fn row(
        &mut self,
        measure: Measure,
        case: impl Into<String>,
        figure: impl FnMut(Subject) -> Option<f64>,
    ) {
        let figures = Subject::PEERS.into_iter().map(figure).collect();
        self.rows.push(Row { measure, case: case.into(), figures });
    }

    /// A row of which only this crate has a figure.
    pub(crate) fn ours(&mut self, measure: Measure, case: &str, figure: f64) {
        self.row(measure, case, |subject| (subject == Subject::Ours).then_some(figure));
    }

    /// What each peer adds to what is there without it.
    pub(crate) fn added(&mut self, measure: Measure, case: Case, taken: &[(Subject, f64)]) {
        self.row(measure, case.name(), |subject| Some(of(taken, subject)? - of(taken, subject.without())?));
    }

    pub(crate) fn print(&self) {
        let mut table = Table::new();
        let mut columns = vec!["of tower's", "promised", "measure", "case"];
        columns.extend(Subject::PEERS.map(Subject::name));
        table.load_style(ASCII_MARKDOWN).set_header(columns);
        for (place, column) in table.column_iter_mut().enumerate() {
            if place == 0 || place > 3 {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for row in &self.rows {
            let ratio = row.ratio().map_or_else(String::new, |ratio| format!("{ratio:.2}"));
            let promised = promise::of(row.measure, &row.case).map(|promise| promise.judge(row));
            let mut cells =
                vec![ratio, promised.unwrap_or_default(), row.measure.name().to_owned(), row.case.clone()];
            cells.extend(row.figures.iter().map(|figure| figure.map_or_else(|| "-".to_owned(), written)));
            table.add_row(cells);
        }
        println!("\n{table}");
    }
}

impl Row {
    /// Ours of tower's, where both are there and tower's is more than nothing, or than noise. Only the one with a backoff
    /// waits.
    fn ratio(&self) -> Option<f64> {
        let tower = self.figure(Subject::Tower).or_else(|| self.figure(Subject::TowerBudget))?;
        let ours = self.figure(Subject::Ours)?;
        let least = if self.measure == Measure::Time { NOISE } else { 0.0 };
        (tower > least).then(|| ours / tower)
    }

    fn figure(&self, subject: Subject) -> Option<f64> {
        let place = Subject::PEERS.iter().position(|peer| *peer == subject)?;
        self.figures.get(place).copied().flatten()
    }
}

/// The most that a figure may be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Promise {
    /// As a share of tower's.
    OfTower(f64),
    /// By itself.
    AtMost(f64),
}

impl Promise {
    fn judge(self, row: &Row) -> String {
        let (figure, most) = match self {
            Self::OfTower(most) => (row.ratio(), most),
            Self::AtMost(most) => (row.figure(Subject::Ours), most),
        };
        let verdict = match figure {
            Some(figure) if figure <= most => "held",
            Some(_) => "NOT HELD",
            None => "not measured",
        };
        let of = if matches!(self, Self::OfTower(_)) { " of tower's" } else { "" };
        format!("at most {most}{of}: {verdict}")
    }
}

/// With as many digits as mean something.
fn written(figure: f64) -> String {
    if figure.fract().abs() < 0.005 || figure.abs() >= 100.0 {
        format!("{:.0}", figure + 0.0)
    } else if figure.abs() >= 10.0 {
        format!("{figure:.1}")
    } else {
        format!("{figure:.2}")
    }
}

/// The figure of a subject, if it has one.
pub(crate) fn of(figures: &[(Subject, f64)], subject: Subject) -> Option<f64> {
    figures.iter().find(|(known, _)| *known == subject).map(|(_, figure)| *figure)
}

/// The one in the middle.
pub(crate) fn median(figures: Vec<f64>) -> f64 {
    quantile(figures, 2)
}

/// The one that a tenth are below.
pub(crate) fn undisturbed(figures: Vec<f64>) -> f64 {
    quantile(figures, 10)
}

fn quantile(mut figures: Vec<f64>, part: usize) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / part).copied().unwrap_or(f64::NAN)
}

/// Nanoseconds that say nothing: what is measured takes forty times as long.
const NOISE: f64 = 25.0;
