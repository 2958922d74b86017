use super::*;

fn set(settings: &[(&str, &str)]) -> Vec<Setting> {
    settings.iter().map(|(name, value)| Setting { name: (*name).into(), value: (*value).into() }).collect()
}

#[test]
fn a_parameter_s_text_gives_its_value_again() {
    for seed in 0..200 {
        let mut first = Draw::new("x", seed, &[]);
        let drawn =
            (first.number("rate", 5.0, 1e3), first.time("service", 1e-3, 60.0), first.count("n", 1, 9));
        let texts: Vec<_> = first.finish().unwrap().iter().map(ToString::to_string).collect();
        let pairs: Vec<_> = texts.iter().map(|text| text.split_once('=').unwrap()).collect();
        let mut again = Draw::new("x", seed + 1, &set(&pairs));
        let repeated =
            (again.number("rate", 5.0, 1e3), again.time("service", 1e-3, 60.0), again.count("n", 1, 9));
        again.finish().unwrap();
        assert_eq!(drawn, repeated, "{texts:?}");
    }
}

#[test]
fn a_setting_moves_no_other_parameter() {
    let both = |settings: &[Setting]| {
        let mut draw = Draw::new("x", 7, settings);
        (draw.number("rate", 5.0, 1e3), draw.number("burst", 5.0, 1e3))
    };
    assert_eq!(both(&set(&[("rate", "40")])), (40.0, both(&[]).1));
}

#[test]
fn draws_fill_their_range_and_stay_in_it() {
    let draws: Vec<_> = (0..1_000).map(|seed| Draw::new("x", seed, &[]).number("rate", 5.0, 1e3)).collect();
    assert!(draws.iter().all(|rate| (5.0..=1e3).contains(rate)));
    // Log-uniformly, half of the draws lie below the geometric mean.
    let below = draws.iter().filter(|rate| **rate < 70.7).count();
    assert!((450..550).contains(&below), "{below}");
    let counts: Vec<_> = (0..1_000).map(|seed| Draw::new("x", seed, &[]).count("n", 4, 6)).collect();
    for count in 4..=6 {
        assert!(counts.iter().filter(|drawn| **drawn == count).count() > 200, "{count}");
    }
}

#[track_caller]
fn check_problem(name: &str, value: &str, message: &str) {
    let mut draw = Draw::new("x", 0, &set(&[(name, value)]));
    draw.number("rate", 5.0, 1e3);
    draw.word("load", &["burst", "closed"]);
    draw.time("window", 1.0, 60.0);
    draw.count("hint", 1, 3);
    assert_eq!(draw.finish().unwrap_err().to_string(), message);
}

#[test]
fn a_setting_that_is_not_allowed_is_an_error_that_names_what_is() {
    check_problem(
        "rat",
        "1",
        "this draw of x has no parameter \"rat\"; it has seed, rate, load, window, hint",
    );
    check_problem("rate", "fast", "rate cannot be \"fast\"; allowed: 0.05 to 100000");
    check_problem("rate", "NaN", "rate cannot be \"NaN\"; allowed: 0.05 to 100000");
    check_problem("load", "heavy", "load cannot be \"heavy\"; allowed: burst, closed");
    check_problem("window", "1h", "window cannot be \"1h\"; allowed: 0.01 to 6000");
    check_problem("hint", "0", "hint cannot be \"0\"; allowed: 0.01 to 300");
}
