//! Time, on machines that others use too.

use std::env;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, ensure};
use retry_bench::{Case, Run, Subject, prepare};

use crate::report::{Measure, Report, of, undisturbed};
use crate::{argument, read};

/// What a peer adds is what it takes, less what the server takes alone, each in the fastest of several processes: where one
/// lies in memory moves a time by a tenth, and a neighbour on the machine by a half, for a while. So all cases take turns too.
pub(crate) fn measure(report: &mut Report, rounds: usize) -> anyhow::Result<()> {
    let mut passes = Vec::new();
    for _ in 0..PROCESSES {
        let pass = Case::ALL.map(|case| in_a_process_of_its_own(case, rounds.div_ceil(PROCESSES)));
        passes.push(pass.into_iter().collect::<anyhow::Result<Vec<Times>>>()?);
    }
    for (place, case) in Case::ALL.into_iter().enumerate() {
        let least = |subject| passes.iter().filter_map(|pass| of(&pass[place], subject)).reduce(f64::min);
        let taken = Subject::ALL.into_iter().filter_map(|subject| Some((subject, least(subject)?)));
        report.added(Measure::Time, case, &taken.collect::<Times>());
    }
    Ok(())
}

/// Nanoseconds for each request.
type Times = Vec<(Subject, f64)>;

fn in_a_process_of_its_own(case: Case, rounds: usize) -> anyhow::Result<Times> {
    let output = Command::new(env::current_exe()?)
        .args(["--time", &argument(case), "--rounds", &rounds.to_string()])
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let line = |line: &str| {
        let (subject, time) = line.split_once(' ').context("no time")?;
        Ok((read(subject)?, time.parse()?))
    };
    String::from_utf8(output.stdout)?.lines().map(line).collect()
}

/// Prints what each subject takes, in this process.
pub(crate) fn print(case: Case, rounds: usize) {
    for (subject, time) in time(case, rounds) {
        println!("{} {time}", argument(subject));
    }
}

/// All of them take turns, so that what slows the machine down slows all of them down. What a subject takes is what it took
/// in the round that a tenth were faster than: others at work on a machine make rounds slower, and never faster.
fn time(case: Case, rounds: usize) -> Times {
    let subjects = Subject::ALL.into_iter();
    let mut runs: Vec<(Subject, Run)> =
        subjects.filter_map(|subject| Some((subject, prepare(case, subject)?))).collect();
    let sent = if matches!(case, Case::Replay64 | Case::Replay1024) { FEW } else { MANY };
    let mut times = vec![Vec::new(); runs.len()];
    for round in 0..=rounds {
        for turn in 0..runs.len() {
            // Nobody always comes after the same one, whose caches it would find.
            let place = (turn + round) % runs.len();
            let run = &mut runs[place].1;
            let started = Instant::now();
            run(sent);
            let took = started.elapsed().as_nanos() as f64 / sent as f64;
            // The first is for the caches.
            if round > 0 {
                times[place].push(took);
            }
        }
    }
    let subjects = runs.iter().map(|(subject, _)| *subject);
    subjects.zip(times.into_iter().map(undisturbed)).collect()
}

const PROCESSES: usize = 9;
const MANY: u64 = 500;
const FEW: u64 = 125;
