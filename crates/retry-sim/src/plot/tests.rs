use std::time::Duration;

use super::bins::{Count, height, step};
use super::server_rate::{AllowedRate, allowed_rates};
use super::*;
use crate::grid::{CallOutcome, Outcome, PaceSample, Setting};

/// Plays a draw with a trace.
fn play(family: &str, settings: &[&str]) -> (&'static Family, DrawReport, Runs) {
    let family = Family::named(family).unwrap();
    let settings: Vec<_> = settings.iter().filter_map(|setting| setting.split_once('=')).collect();
    let settings =
        settings.into_iter().map(|(name, value)| Setting { name: name.into(), value: value.into() });
    let (draw, runs) = DrawReport::new(family, 1, &settings.collect::<Vec<_>>(), true).unwrap();
    (family, draw, runs)
}

fn call(millis: u64, is_served: bool) -> CallOutcome {
    let at = Duration::from_millis(millis);
    CallOutcome { request: 0, attempt: 1, sent_at: at, reached_at: at, is_served, early: Duration::ZERO }
}

fn sample(millis: u64, rate: Option<f64>) -> PaceSample {
    PaceSample { at: Duration::from_millis(millis), rate, waiting: 0 }
}

#[test]
fn a_draw_has_the_same_plot_twice() {
    for name in ["burst-cold", "concurrency", "noise-2", "outage", "keys", "dropped"] {
        let svg = || {
            let (family, draw, runs) = play(name, &[]);
            plot_svg(family, &draw, &runs).unwrap()
        };
        let first = svg();
        assert!(first.ends_with("</svg>\n") && first.contains(name), "{name}");
        assert!(first == svg(), "{name}");
    }
}

#[test]
fn a_run_is_counted_in_steps() {
    let calls = vec![call(0, true), call(50, false), call(99, true), call(100, true), call(450, true)];
    let samples =
        vec![sample(120, Some(7.0)), sample(150, Some(8.0)), sample(320, None), sample(410, Some(9.0))];
    let outcome = Outcome { calls, samples, ..Outcome::default() };
    let bins = Bins::new(&outcome, 0.1, Duration::from_millis(650));
    let count = |served, refused| Count { served, refused };
    assert_eq!(bins.counts[..2], [count(2, 1), count(1, 0)]);
    assert_eq!((bins.counts.len(), bins.counts[4]), (7, count(1, 0)));
    // Three calls in 0.3 s, and one in 0.5 s.
    assert!((bins.served[0] - 10.0).abs() < 1e-9 && (bins.served[3] - 4.0).abs() < 1e-9, "{:?}", bins.served);
    assert_eq!(bins.learned, [None, Some(8.0), Some(8.0), None, Some(9.0)]);
}

#[test]
fn a_step_is_1_2_or_5_times_a_power_of_ten() {
    for (seconds, expected) in
        [(0.0, 0.001), (5.6, 0.1), (10.0, 0.1), (30.0, 0.5), (120.0, 2.0), (86_400.0, 1e3)]
    {
        assert!((step(seconds) - expected).abs() < 1e-9, "{seconds} {}", step(seconds));
    }
}

#[test]
fn a_few_high_values_do_not_hide_the_others() {
    let usual: Vec<_> = (1..=40).map(f64::from).collect();
    let with = |more: &[f64]| [&usual, more].concat();
    assert_eq!(height(&[&usual, &usual]), 40.0);
    assert_eq!(height(&[&with(&[70.0]), &usual]), 70.0);
    assert!((30.0..=40.0).contains(&height(&[&with(&[500.0]), &with(&[400.0, 300.0])])));
    assert!((30.0..=40.0).contains(&height(&[&[900.0], &with(&[400.0, 0.0])])));
    assert_eq!(height(&[&[3.0], &[]]), 3.0);
    assert_eq!(height(&[&[], &[]]), 1.0);
}

#[test]
fn the_number_of_a_cut_bar_stands_in_the_plot() {
    let (family, draw, mut runs) = play("burst-cold", &["requests=777", "rate=40", "burst=20"]);
    let calls = (0..777).map(|_| call(0, false)).chain((0..200).map(|number| call(10 + 50 * number, true)));
    runs.pace.outcome.calls = calls.collect();
    let svg = plot_svg(family, &draw, &runs).unwrap();
    let has_number = |svg: &str| svg.lines().any(|line| line.trim() == "777" || line.trim() == "778");
    assert!(has_number(&svg), "{svg}");
}

#[test]
fn the_learned_rate_is_a_line_of_its_own() {
    let (family, draw, mut runs) = play("bucket-over", &["rate=40", "time=10"]);
    let lines = |runs: &Runs| {
        let svg = plot_svg(family, &draw, runs).unwrap();
        svg.lines().filter(|line| line.contains("<polyline") && line.contains("#009E73")).count()
    };
    runs.pace.outcome.samples = Vec::new();
    assert_eq!(lines(&runs), 0);
    runs.pace.outcome.samples =
        vec![sample(1_000, Some(40.0)), sample(4_000, None), sample(6_000, Some(50.0))];
    runs.pace.outcome.samples.push(sample(7_000, Some(60.0)));
    assert_eq!(lines(&runs), 2);
}

#[track_caller]
fn check_rates(family: &str, settings: &[&str], expected: &[(f64, f64, f64)]) {
    let (_, _, runs) = play(family, settings);
    let expected: Vec<_> =
        expected.iter().map(|(from, to, rate)| AllowedRate { from: *from, to: *to, rate: *rate }).collect();
    assert_eq!(allowed_rates(&runs.case.scenario, 60.0), expected);
}

#[test]
fn the_rate_of_a_server_follows_its_changes() {
    check_rates("no-limit", &[], &[]);
    check_rates("bucket-over", &["rate=40"], &[(0.0, 60.0, 40.0)]);
    check_rates("lifted", &["rate=40", "lifted_at=10"], &[(0.0, 10.0, 40.0)]);
    let changes = [(0.0, 10.0, 40.0), (10.0, 30.0, 10.0), (30.0, 60.0, 40.0)];
    check_rates("changed", &["rate=40", "divided_by=4", "from=10", "lasts=20"], &changes);
    check_rates("outage", &["lasts=20"], &[(1.0, 21.0, 0.0)]);
    check_rates("sliding", &["count=40", "window=4"], &[(0.0, 60.0, 10.0)]);
    check_rates("keys", &[], &[]);
}
