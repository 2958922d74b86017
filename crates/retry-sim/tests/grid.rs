//! The grid's families and its command line.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use retry_sim::grid::{DrawReport, Family, Setting, Sweep, Value};

/// The ranges of the contract: family, parameter, and its least and greatest value, times in seconds.
const RANGES: &[(&str, &str, f64, f64)] = &[
    ("*", "round_trip", 0.002, 0.15),
    ("*", "jitter", 0.0, 0.8),
    ("*", "attempts", 4.0, 6.0),
    ("no-limit", "tenants", 1.0, 50.0),
    ("no-limit", "rate", 1.0, 1_000.0),
    ("no-limit", "service", 0.001, 60.0),
    ("bucket-low", "rate", 5.0, 1_000.0),
    ("bucket-low", "burst_seconds", 1.0, 2.0),
    ("bucket-low", "load", 0.25, 0.8),
    ("bucket-near", "load", 0.8, 0.97),
    ("bucket-over", "load", 1.0, 2.5),
    ("bucket-over", "time", 10.0, 300.0),
    ("burst-cold", "requests", 20.0, 1_000.0),
    ("burst-known", "requests", 20.0, 1_000.0),
    ("tiny-burst", "burst", 1.0, 3.0),
    ("tiny-burst", "hint", 1.0, 2.0),
    ("concurrency", "limit", 2.0, 100.0),
    ("concurrency", "service", 0.02, 30.0),
    ("concurrency", "callers_per_place", 2.0, 10.0),
    ("long", "rate", 1.0, 20.0),
    ("long", "service", 2.0, 60.0),
    ("sliding", "count", 10.0, 1_000.0),
    ("sliding", "window", 1.0, 60.0),
    ("fixed", "window", 1.0, 60.0),
    ("hint-short", "window", 2.0, 60.0),
    ("hint-short", "too_short_by", 2.0, 20.0),
    ("hint-long", "too_long_by", 2.0, 10.0),
    ("noise-2", "share", 0.0001, 0.02),
    ("noise-5", "share", 0.02, 0.05),
    ("noise-10", "share", 0.05, 0.1),
    ("noise-2", "rate", 10.0, 1_000.0),
    ("noise-on-bucket", "over", 1.0, 1.5),
    ("refused-each", "refused_first", 1.0, 3.0),
    ("poison", "one_in", 20.0, 500.0),
    ("poison-many", "share", 0.05, 0.8),
    ("changed", "divided_by", 2.0, 6.0),
    ("changed", "lasts", 5.0, 60.0),
    ("outage", "lasts", 2.0, 300.0),
    ("unpolled", "share", 0.01, 0.1),
    ("unpolled", "deadline", 5.0, 60.0),
];

#[test]
fn draws_are_within_the_ranges_of_the_contract() {
    for (name, parameter, least, most) in RANGES {
        for family in Family::all().filter(|family| ["*", family.name].contains(name)) {
            let values: Vec<_> = (0..300).filter_map(|seed| value(family, seed, parameter)).collect();
            let fits = |value: &f64| (*least..=*most).contains(value);
            assert!(values.iter().all(fits), "{} {parameter}: {values:?}", family.name);
            // They are spread over the whole range.
            let reach = |part: f64| least + (most - least) * part;
            let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
            let highest = values.iter().copied().fold(0.0, f64::max);
            let is_wide = lowest <= reach(0.1) && highest >= reach(0.6);
            assert!(is_wide, "{} {parameter}: {lowest} to {highest}", family.name);
        }
    }
}

fn value(family: &Family, seed: u64, name: &str) -> Option<f64> {
    let (_, parameters) = family.draw(seed, &[]).unwrap();
    let parameter = parameters.into_iter().find(|parameter| parameter.name == name)?;
    match parameter.value {
        Value::Number(number) => Some(number),
        Value::Time(time) => Some(time.as_secs_f64()),
        Value::Word(_) => None,
    }
}

#[test]
fn the_printed_parameters_repeat_a_draw() {
    for family in Family::all() {
        for seed in 0..100 {
            let (case, parameters) = family.draw(seed, &[]).unwrap();
            let settings: Vec<_> =
                parameters.iter().map(|parameter| setting(&parameter.to_string())).collect();
            let (again, _) = family.draw(seed + 1_000, &settings).unwrap();
            assert_eq!(case.scenario, again.scenario, "{} {seed}", family.name);
        }
    }
}

fn setting(text: &str) -> Setting {
    let (name, value) = text.split_once('=').unwrap();
    Setting { name: name.to_owned(), value: value.to_owned() }
}

#[test]
fn the_number_of_threads_changes_no_result() {
    let play = |threads| {
        let families = ["burst-cold", "keys", "outage"].map(|name| Family::named(name).unwrap());
        let draws = Sweep { families: families.to_vec(), draws: 3, seed: 5, threads }.play();
        serde_json::to_string(&draws).unwrap()
    };
    let one = play(1);
    assert_eq!(one, play(4));
    let draw: DrawReport = DrawReport::new(Family::named("keys").unwrap(), 6, &[], false).unwrap().0;
    assert!(one.contains(&serde_json::to_string(&draw).unwrap()), "the seeds of the draws count up");
}

#[test]
fn a_draw_is_played_alike_in_each_run() {
    // What the table of keys forgets in this draw depends on their hashes.
    let [one, other] = [(); 2].map(|()| retry_sim(&["one", "keys", "seed=53139"]).stdout);
    assert!(!one.is_empty() && one == other);
}

#[test]
fn the_exit_status_is_1_if_a_promise_does_not_hold() {
    for family in ["requests-announced", "burst-cold"] {
        let output = retry_sim(&["grid", "--family", family, "--draws", "2", "--json"]);
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let holds = report["families"][0]["checks"].as_array().unwrap();
        let holds = holds.iter().all(|check| check["is_held"].as_bool().unwrap());
        assert_eq!(report["holds"], holds, "{family}");
        assert_eq!(output.status.code(), Some(i32::from(!holds)), "{family}");
    }
}

#[test]
fn only_the_families_of_the_file_decide_the_exit_status() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("holds.txt");
    let play = |families: &[&str], names: &str| {
        fs::write(&file, names).unwrap();
        let options = ["--draws", "2", "--expect", file.to_str().unwrap()];
        retry_sim(&[&["grid", "--family"], families, &options].concat())
    };
    let families = ["no-limit", "tiny-burst"];
    for family in families {
        let holds = retry_sim(&["grid", "--family", family, "--draws", "2"]).status.success();
        // A family that is not played decides nothing.
        let output = play(&families, &format!("# A comment.\n\n  {family}\noutage\n"));
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(i32::from(!holds)), "{family}: {error}");
        let broken = format!("These families are expected to hold and do not: {family}\n");
        assert_eq!(error.contains(&broken), !holds, "{error}");
    }
    assert!(play(&families, "").status.success());
    let error = String::from_utf8(play(&families, "no-limits\n").stderr).unwrap();
    assert!(error.contains("holds.txt: there is no family \"no-limits\""), "{error}");
}

#[test]
fn an_unknown_name_is_an_error_that_lists_those_that_are_known() {
    check_error(
        &["grid", "--family", "x"],
        "there is no family \"x\"; the families are no-limit, bucket-low,",
    );
    check_error(&["one", "x"], "there is no family \"x\"; the families are no-limit, bucket-low,");
    check_error(
        &["one", "sliding", "rat=1"],
        "sliding has no parameter \"rat\"; it has seed, count, window,",
    );
    check_error(&["one", "sliding", "count=-1"], "count cannot be \"-1\"; allowed: 0.1 to 100000");
    check_error(&["one", "sliding", "seed=x"], "seed cannot be \"x\"; it is a whole number");
    check_error(&["one", "sliding", "count"], "it has the form NAME=VALUE");
}

#[track_caller]
fn check_error(args: &[&str], message: &str) {
    let output = retry_sim(args);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains(message), "{error}");
}

#[test]
fn one_prints_the_draw_its_figures_and_its_promises() {
    let output = retry_sim(&["one", "burst-known", "seed=3", "rate=40"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for part in ["retry-sim one burst-known seed=3 ", " rate=40 ", "| slow start ", "| early ", "| T "] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
}

#[test]
fn a_reader_that_is_gone_is_no_error() {
    for args in [
        &["one", "keys", "seed=3"][..],
        &["grid", "--family", "no-limit", "--draws", "1", "--json"],
        &["grid", "--family", "no-limit", "--draws", "1"],
        &["fleet", "--members", "1", "--seeds", "1", "--row", "half"],
        &["fleet", "--members", "1", "--seeds", "1", "--row", "half", "--json"],
    ] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let output = command(args).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert!(output.stderr.is_empty(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{args:?}: {}", output.status);
    }
}

fn retry_sim(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_retry-sim"));
    command.args(args);
    command
}
