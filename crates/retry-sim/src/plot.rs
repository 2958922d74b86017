//! The plot: what reaches the server over time, with a pace and without.

use std::time::Duration;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::bucket::Bucket;
use crate::report::Report;
use crate::trial::Trial;
use crate::way::Strategy;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws the calls that reach a bucket of 50 a second, burst 10, at which 100 requests come at once, as SVG.
pub fn plot() -> anyhow::Result<String> {
    let trial = Trial::default();
    let paced = Panel::new("With a pace", &trial.run(BUCKET, Strategy::Pace, SEED));
    let alone = Panel::new("Without", &trial.run(BUCKET, Strategy::Unpaced, SEED));
    let latency = Duration::from_millis(*trial.latency_ms.end());
    let oracle = BUCKET.oracle_time(trial.requests, latency).as_secs_f64();
    let axes = Axes {
        seconds: round_up(paced.seconds.max(alone.seconds).max(oracle), 0.5),
        calls: round_up(paced.highest().max(alone.highest()), 10.0),
        oracle,
    };

    let title = format!("{} requests at once, for a server with a bucket of {BUCKET}", trial.requests);

    let mut svg = String::new();
    {
        // What draws holds on to the string, and ends the document when it is dropped.
        let canvas = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        canvas.fill(&WHITE)?;
        let (upper, lower) = canvas.titled(&title, (FONT, 20))?.split_vertically(UPPER);
        paced.draw(&upper, &axes, Place::Upper)?;
        alone.draw(&lower, &axes, Place::Lower)?;
        canvas.present()?;
    }
    Ok(svg)
}

/// What both panels share, so that they can be compared.
struct Axes {
    seconds: f64,
    calls: f64,
    /// When the oracle is done.
    oracle: f64,
}

/// The upper panel has the legend, and the lower one what is to be read of the time axis.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Upper,
    Lower,
}

/// One way of calling.
struct Panel {
    caption: String,
    bars: Vec<Bar>,
    seconds: f64,
}

/// What reached the server within one step of time.
#[derive(Clone, Copy, Default)]
struct Bar {
    served: u32,
    refused: u32,
}

impl Panel {
    fn new(name: &str, report: &Report) -> Self {
        let mut bars = Vec::new();
        for call in &report.calls {
            let index = usize::try_from(call.reached_at.as_millis() / STEP.as_millis()).unwrap_or(usize::MAX);
            if bars.len() <= index {
                bars.resize(index + 1, Bar::default());
            }
            match call.served {
                true => bars[index].served += 1,
                false => bars[index].refused += 1,
            }
        }
        let (served, calls, seconds) = (report.served, report.calls.len(), report.time.as_secs_f64());
        let caption = format!("{name}: {served} served with {calls} calls in {seconds:.1} s");
        Self { caption, bars, seconds }
    }

    fn highest(&self) -> f64 {
        self.bars.iter().map(|bar| f64::from(bar.served + bar.refused)).fold(0.0, f64::max)
    }

    fn draw(&self, area: &Area<'_>, axes: &Axes, place: Place) -> anyhow::Result<()> {
        let (time_label, time_height) = match place {
            Place::Upper => ("", 8),
            Place::Lower => ("seconds since the requests came", 46),
        };
        let mut chart = ChartBuilder::on(area)
            .caption(&self.caption, (FONT, 16))
            .margin_left(14)
            .margin_right(24)
            .set_label_area_size(LabelAreaPosition::Left, 54)
            .set_label_area_size(LabelAreaPosition::Bottom, time_height)
            .build_cartesian_2d(0.0..axes.seconds, 0.0..axes.calls)?;
        let shows_time = place == Place::Lower;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(AXIS)
            .label_style((FONT, 14))
            .axis_desc_style((FONT, 14))
            .x_labels(if shows_time { 10 } else { 0 })
            .y_labels(6)
            .x_label_formatter(&|seconds| format!("{seconds:.1}"))
            .y_label_formatter(&|calls| format!("{calls:.0}"))
            .x_desc(time_label)
            .y_desc(format!("calls per {} ms", STEP.as_millis()))
            .draw()?;

        let served = |bar: &Bar| (0, bar.served);
        let refused = |bar: &Bar| (bar.served, bar.served + bar.refused);
        chart
            .draw_series(self.rectangles(served, SERVED))?
            .label("served")
            .legend(|(x, y)| Rectangle::new([(x, y - 6), (x + 12, y + 6)], SERVED.filled()));
        chart
            .draw_series(self.rectangles(refused, REFUSED))?
            .label("refused: 429, Retry-After: 1")
            .legend(|(x, y)| Rectangle::new([(x, y - 6), (x + 12, y + 6)], REFUSED.filled()));
        let line = |from, to| PathElement::new([from, to], BLACK.stroke_width(2));
        chart
            .draw_series([line((axes.oracle, 0.0), (axes.oracle, axes.calls))])?
            .label(format!("an oracle is done: {:.1} s", axes.oracle))
            .legend(move |(x, y)| PathElement::new([(x + 6, y - 7), (x + 6, y + 7)], BLACK.stroke_width(2)));
        if place == Place::Upper {
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperRight)
                .background_style(WHITE)
                .border_style(GRID)
                .label_font((FONT, 14))
                .legend_area_size(24)
                .margin(8)
                .draw()?;
        }
        Ok(())
    }

    /// One for each bar, between the two heights.
    fn rectangles(
        &self,
        heights: impl Fn(&Bar) -> (u32, u32),
        color: RGBColor,
    ) -> impl Iterator<Item = Rectangle<(f64, f64)>> {
        let step = STEP.as_secs_f64();
        (0u32..).zip(&self.bars).filter_map(move |(index, bar)| {
            let (low, high) = heights(bar);
            let from = f64::from(index) * step;
            let corners = [(from, f64::from(low)), (from + step * BAR_WIDTH, f64::from(high))];
            (low < high).then(|| Rectangle::new(corners, color.filled()))
        })
    }
}

fn round_up(value: f64, step: f64) -> f64 {
    (value / step).ceil() * step
}

const BUCKET: Bucket = Bucket { rate: 50, burst: 10 };
const SEED: u64 = 0;
const STEP: Duration = Duration::from_millis(50);

const SIZE: (u32, u32) = (900, 600);
/// How many of them are the upper panel's, under the title.
const UPPER: i32 = 268;
const FONT: &str = "sans-serif";
/// What is drawn of a step, so that there is a gap to the next.
const BAR_WIDTH: f64 = 0.85;
/// Blue and vermilion of Okabe and Ito's palette, which those tell apart too who see fewer colours.
const SERVED: RGBColor = RGBColor(0, 114, 178);
const REFUSED: RGBColor = RGBColor(213, 94, 0);
const GRID: RGBColor = RGBColor(221, 221, 221);
const AXIS: RGBColor = RGBColor(102, 102, 102);
