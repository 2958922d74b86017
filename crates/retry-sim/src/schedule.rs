//! A policy's schedule as SVG.

use http_retry::testing::Plot;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::prelude::*;

/// Draws a policy's schedule as an SVG document: time to the right, and a row for each resend.
pub fn schedule_svg(plot: &Plot) -> String {
    let mut svg = String::new();
    // The backend holds on to the string, and ends the document when it is dropped.
    draw(plot, SVGBackend::with_string(&mut svg, SIZE)).expect("a string takes all that is drawn");
    svg
}

fn draw<B: DrawingBackend>(plot: &Plot, backend: B) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    let canvas = backend.into_drawing_area();
    canvas.fill(&WHITE)?;
    let longest = plot.longest().as_secs_f64().max(1e-9);
    let resends = plot.plans().len().max(1);
    let mut chart = ChartBuilder::on(&canvas)
        .margin(14)
        .set_label_area_size(LabelAreaPosition::Left, 46)
        .set_label_area_size(LabelAreaPosition::Bottom, 46)
        .build_cartesian_2d(0.0..longest * 1.02, resends as f64 + 0.5..0.5)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(AXIS)
        .label_style((FONT, 14))
        .axis_desc_style((FONT, 14))
        .y_labels(resends.min(30))
        .y_label_formatter(&|resend| format!("{resend:.0}"))
        .x_desc("seconds waited")
        .y_desc("resend")
        .draw()?;
    let windows =
        (1..).zip(plot.plans()).filter_map(|(number, plan)| Some((f64::from(number), plan.as_ref().ok()?)));
    chart.draw_series(windows.map(|(number, window)| {
        let opens = window.earliest.as_secs_f64();
        // A window of no width still has a visible bar.
        let closes = window.latest.as_secs_f64().max(opens + longest / 400.0);
        Rectangle::new([(opens, number - 0.35), (closes, number + 0.35)], BAR.filled())
    }))?;
    canvas.present()
}

const SIZE: (u32, u32) = (720, 400);
const FONT: &str = "sans-serif";
/// Blue of Okabe and Ito's palette.
const BAR: RGBColor = RGBColor(0, 114, 178);
const GRID: RGBColor = RGBColor(221, 221, 221);
const AXIS: RGBColor = RGBColor(102, 102, 102);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_retry::{ExponentialBackoff, FixedDelay, NoRetry, Policy, Window, policy_fn};

    use super::*;

    #[test]
    fn the_picture_has_a_rectangle_for_each_resend() {
        let svg = |policy: &dyn Policy| schedule_svg(&Plot::new(policy));
        let rectangles = |policy: &dyn Policy| svg(policy).matches("<rect").count();
        // The first is the canvas.
        assert_eq!(rectangles(&ExponentialBackoff::default()), 1 + 8);
        assert_eq!(rectangles(&FixedDelay::new(Duration::ZERO)), 1 + 8);
        assert_eq!(rectangles(&NoRetry), 1);
        assert!(svg(&policy_fn(|_| Window::up_to(Duration::MAX))).ends_with("</svg>\n"));
    }
}
