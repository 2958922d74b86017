//! One half of the plot: the bars of one run, and its rates below them.

use plotters::prelude::*;

use super::bins::{Bins, Count, height};
use super::server_rate::{AllowedRate, allowed_rates};
use super::{AXIS, Area, FONT, GRID, LEARNED, REFUSED, SERVED};
use crate::grid::Scenario;

/// The axes that both panels share, so that they can be compared.
#[derive(Debug)]
pub(super) struct Axes {
    /// The length of a step in seconds.
    step: f64,
    seconds: f64,
    calls: f64,
    rate: f64,
    allowed: Vec<AllowedRate>,
}

impl Axes {
    pub(super) fn new(scenario: &Scenario, runs: [&Bins; 2], step: f64, seconds: f64) -> Self {
        let allowed = allowed_rates(scenario, seconds);
        let [totals, served, learned] = [
            runs.map(|bins| bins.counts.iter().map(|count| count.total()).collect::<Vec<_>>()),
            runs.map(|bins| bins.served.clone()),
            runs.map(|bins| bins.learned.iter().flatten().copied().collect()),
        ];
        let height = |runs: &[Vec<f64>; 2]| height(&[&runs[0], &runs[1]]);
        let rates = allowed.iter().map(|span| span.rate).chain([height(&served), height(&learned)]);
        let (calls, rate) = (height(&totals), rates.fold(0.0, f64::max));
        Self { step, seconds: seconds.max(step), calls: ROOM * calls, rate: ROOM * rate, allowed }
    }
}

/// One run.
#[derive(Debug)]
pub(super) struct Panel {
    caption: String,
    bins: Bins,
}

impl Panel {
    pub(super) fn new(caption: String, bins: Bins) -> Self {
        Self { caption, bins }
    }

    pub(super) fn draw(&self, area: &Area<'_>, axes: &Axes) -> anyhow::Result<()> {
        let (upper, lower) = area.split_vertically(UPPER);
        self.draw_calls(&upper, axes)?;
        self.draw_rates(&lower, axes)
    }

    fn draw_calls(&self, area: &Area<'_>, axes: &Axes) -> anyhow::Result<()> {
        let mut chart = ChartBuilder::on(area)
            .caption(&self.caption, (FONT, 16))
            .margin_left(10)
            .margin_right(20)
            .set_label_area_size(LabelAreaPosition::Left, 56)
            .set_label_area_size(LabelAreaPosition::Bottom, 8)
            .build_cartesian_2d(0.0..axes.seconds, 0.0..axes.calls)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(AXIS)
            .label_style((FONT, 13))
            .axis_desc_style((FONT, 13))
            .x_labels(0)
            .y_labels(5)
            .y_label_formatter(&|calls| number(*calls))
            .y_desc(format!("calls per {}", step_name(axes.step)))
            .draw()?;
        chart.draw_series(self.bars(axes, |count| (0, count.served), SERVED))?;
        chart.draw_series(self.bars(axes, |count| (count.served, count.served + count.refused), REFUSED))?;
        let totals: Vec<_> = self.bins.counts.iter().map(|count| count.total()).collect();
        chart.draw_series(cut_marks(&totals, axes))?;
        chart.draw_series(cut_labels(&totals, axes.step, axes.calls))?;
        Ok(())
    }

    /// Returns a bar for each step, between the two heights. A bar that is cut keeps its shares of served and refused calls.
    fn bars<'a>(
        &'a self,
        axes: &Axes,
        heights: impl Fn(&Count) -> (u32, u32) + 'a,
        color: RGBColor,
    ) -> impl Iterator<Item = Rectangle<(f64, f64)>> + 'a {
        let (step, highest) = (axes.step, axes.calls);
        (0_u32..).zip(&self.bins.counts).filter_map(move |(index, count)| {
            let (low, high) = heights(count);
            let scale = (highest / count.total()).min(1.0);
            let (low, high) = (f64::from(low) * scale, f64::from(high) * scale);
            let from = f64::from(index) * step;
            let corners = [(from, low), (from + step * BAR_WIDTH, high)];
            (low < high).then(|| Rectangle::new(corners, color.filled()))
        })
    }

    fn draw_rates(&self, area: &Area<'_>, axes: &Axes) -> anyhow::Result<()> {
        let mut chart = ChartBuilder::on(area)
            .margin_top(10)
            .margin_left(10)
            .margin_right(20)
            .set_label_area_size(LabelAreaPosition::Left, 56)
            .set_label_area_size(LabelAreaPosition::Bottom, 44)
            .build_cartesian_2d(0.0..axes.seconds, 0.0..axes.rate)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(AXIS)
            .label_style((FONT, 13))
            .axis_desc_style((FONT, 13))
            .x_labels(8)
            .y_labels(5)
            .x_label_formatter(&|seconds| number(*seconds))
            .y_label_formatter(&|rate| number(*rate))
            .x_desc("seconds")
            .y_desc("calls per second")
            .draw()?;
        let allowed = axes.allowed.iter().map(|span| {
            let rate = span.rate.min(axes.rate);
            PathElement::new([(span.from, rate), (span.to, rate)], BLACK.stroke_width(2))
        });
        chart.draw_series(allowed)?;
        let served: Vec<_> = self.bins.served.iter().copied().map(Some).collect();
        chart.draw_series(lines(&served, axes, SERVED))?;
        chart.draw_series(lines(&self.bins.learned, axes, LEARNED))?;
        chart.draw_series(cut_labels(&self.bins.served, axes.step, axes.rate))?;
        Ok(())
    }
}

/// Returns a line for each run of steps that have a value.
fn lines(
    values: &[Option<f64>],
    axes: &Axes,
    color: RGBColor,
) -> impl Iterator<Item = PathElement<(f64, f64)>> {
    let mut lines = vec![Vec::new()];
    for (index, value) in (0_u32..).zip(values) {
        match (value, lines.last_mut()) {
            (Some(value), Some(line)) => {
                let at = (f64::from(index) + 0.5) * axes.step;
                line.push((at.min(axes.seconds), value.min(axes.rate)));
            }
            _ => lines.push(Vec::new()),
        }
    }
    lines
        .into_iter()
        .filter(|line| !line.is_empty())
        .map(move |line| PathElement::new(line, color.stroke_width(2)))
}

/// Returns a gap in each bar that is cut at the top of its axis.
fn cut_marks(values: &[f64], axes: &Axes) -> impl Iterator<Item = Rectangle<(f64, f64)>> {
    let (step, highest) = (axes.step, axes.calls);
    let cut = (0_u32..).zip(values).filter(move |(_, value)| **value > highest);
    cut.map(move |(index, _)| {
        let from = f64::from(index) * step;
        Rectangle::new([(from, 0.88 * highest), (from + step, 0.9 * highest)], WHITE.filled())
    })
}

/// Returns the number of the highest value of each group that is cut at the top of its axis. It stands behind the group.
fn cut_labels(values: &[f64], step: f64, highest: f64) -> Vec<Text<'static, (f64, f64), String>> {
    let mut groups: Vec<(usize, f64)> = Vec::new();
    for (index, value) in values.iter().enumerate().filter(|(_, value)| **value > highest) {
        match groups.last_mut().filter(|(last, _)| index - last <= NEAR) {
            Some(group) => *group = (index, group.1.max(*value)),
            None => groups.push((index, *value)),
        }
    }
    let label = |(last, value): (usize, f64)| {
        let place = ((last + 1) as f64 * step, highest);
        Text::new(format!(" {value:.0}"), place, (FONT, 13).into_font())
    };
    groups.into_iter().map(label).collect()
}

/// Returns a number with as many digits as an axis needs.
fn number(value: f64) -> String {
    // Steps of an axis are 1, 2 or 5 times a power of ten, whose sums are not exact.
    let rounded = (value * 1e3).round() / 1e3;
    format!("{rounded}")
}

fn step_name(seconds: f64) -> String {
    match seconds {
        ..1.0 => format!("{:.0} ms", seconds * 1e3),
        1.0 => "second".to_owned(),
        _ => format!("{seconds:.0} s"),
    }
}

/// The height of the bars.
const UPPER: i32 = 268;
/// The height of an axis as a multiple of its highest value.
const ROOM: f64 = 1.15;
/// The width of a bar as a share of its step, so that there is a gap to the next.
const BAR_WIDTH: f64 = 0.85;
/// The number of steps within which a second label would cover the first.
const NEAR: usize = 8;
