//! The plot of one draw: the calls that reach the server and the rates over time, with a pace beside without.

mod bins;
mod panel;
mod server_rate;

use plotters::coord::Shift;
use plotters::prelude::*;

use self::bins::Bins;
use self::panel::{Axes, Panel};
use crate::grid::{DrawReport, Family, Figures, Run, Runs};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws the runs of one draw as an SVG document. The left half is the run with a pace, the right half the run without.
///
/// The upper half shows the calls that reach the server in each step of time. The lower half shows the rate at which the
/// server serves them, the rate that it allows and the rate that the pace has learned. A bar or a line that is far above
/// the others is cut, and its number stands beside it.
pub fn plot_svg(family: &Family, draw: &DrawReport, runs: &Runs) -> anyhow::Result<String> {
    let end = runs.pace.last_answer().max(runs.alone.last_answer());
    let step = bins::step(end.as_secs_f64());
    let paced = Bins::new(&runs.pace.outcome, step, end);
    let alone = Bins::new(&runs.alone.outcome, step, end);
    let axes = Axes::new(&runs.case.scenario, [&paced, &alone], step, end.as_secs_f64());
    let panels = [
        Panel::new(caption("With a pace", &runs.pace), paced),
        Panel::new(caption("Without", &runs.alone), alone),
    ];
    let mut svg = String::new();
    {
        // What draws holds on to the string, and ends the document when it is dropped.
        let canvas = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        canvas.fill(&WHITE)?;
        let (head, body) = canvas.split_vertically(HEAD);
        draw_head(&head, family, draw)?;
        let (left, right) = body.split_horizontally(SIZE.0 as i32 / 2);
        for (area, panel) in [left, right].iter().zip(&panels) {
            panel.draw(area, &axes)?;
        }
        canvas.present()?;
    }
    Ok(svg)
}

fn caption(name: &str, run: &Run) -> String {
    let Figures { requests, served, calls, refused, time, .. } = run.figures;
    format!("{name}: {served} of {requests} served, {calls} calls, {refused} refused, {time:.1} s")
}

/// Draws the title, the parameters and the legend.
fn draw_head(area: &Area<'_>, family: &Family, draw: &DrawReport) -> anyhow::Result<()> {
    let title = format!("{}: {}", family.name, family.about);
    area.draw(&Text::new(title, (MARGIN, 10), (FONT, 20)))?;
    let parameters = format!("seed={} {}", draw.seed, draw.parameters.join(" "));
    area.draw(&Text::new(parameters, (MARGIN, 38), (FONT, 12).into_font().color(&AXIS)))?;
    let legend = [
        ("served", SERVED, 14),
        ("refused", REFUSED, 14),
        ("rate that the pace has learned", LEARNED, 3),
        ("rate that the server allows", BLACK, 3),
    ];
    let mut x = MARGIN;
    for (text, color, height) in legend {
        let top = 69 - height / 2;
        area.draw(&Rectangle::new([(x, top), (x + 16, top + height)], color.filled()))?;
        area.draw(&Text::new(text, (x + 24, 61), (FONT, 14)))?;
        x += 60 + 7 * text.len() as i32;
    }
    Ok(())
}

const SIZE: (u32, u32) = (1_100, 620);
/// The height of the title, the parameters and the legend.
const HEAD: i32 = 84;
const MARGIN: i32 = 14;
const FONT: &str = "sans-serif";
/// Blue, vermilion and green of Okabe and Ito's palette, which readers with a colour vision deficiency can tell apart.
const SERVED: RGBColor = RGBColor(0, 114, 178);
const REFUSED: RGBColor = RGBColor(213, 94, 0);
const LEARNED: RGBColor = RGBColor(0, 158, 115);
const GRID: RGBColor = RGBColor(221, 221, 221);
const AXIS: RGBColor = RGBColor(102, 102, 102);

#[cfg(test)]
mod tests;
