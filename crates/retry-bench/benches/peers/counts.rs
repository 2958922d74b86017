//! Allocations and memory, from the program whose allocator counts.

use std::process::Command;

use anyhow::{Context, ensure};
use retry_bench::{Case, Subject, Uri, future_bytes, prepare, sleeps_of_a_resend};

use crate::report::{Measure, Report, of};
use crate::{argument, promise};

/// What each peer adds to what is there without it.
pub(crate) fn allocations(report: &mut Report) -> anyhow::Result<()> {
    for case in Case::ALL {
        let [mut allocations, mut bytes] = [Vec::new(), Vec::new()];
        for subject in Subject::ALL.into_iter().filter(|subject| prepare(case, *subject).is_some()) {
            let counts = ask(&["sent", &argument(case), &argument(subject), &SENT.to_string()])?;
            allocations.push((subject, counts[0] / SENT as f64));
            bytes.push((subject, counts[1] / SENT as f64));
        }
        report.added(Measure::Allocations, case, &allocations);
        report.added(Measure::Bytes, case, &bytes);
    }
    Ok(())
}

/// The allocations of each request.
pub(crate) fn allocations_of(case: Case, subject: Subject) -> anyhow::Result<f64> {
    let counts = ask(&["sent", &argument(case), &argument(subject), &SENT.to_string()])?;
    Ok(counts[0] / SENT as f64)
}

/// The sizes of futures, what waits, and whether a resend without a wait asks the timer.
pub(crate) fn memory(report: &mut Report) -> anyhow::Result<()> {
    report.row(Measure::Sleeps, Case::Resend.name(), |subject| {
        (subject == Subject::Ours).then(|| sleeps_of_a_resend() as f64)
    });
    report.row(Measure::FutureBytes, promise::FUTURE, |subject| Some(future_bytes(subject)? as f64));
    for (name, uri) in [(promise::WAITING, Uri::OfTheBuffer), (promise::WAITING_OWN_URI, Uri::Own)] {
        let mut known: Vec<(Subject, f64)> = Vec::new();
        for subject in [Subject::Ours, Subject::TowerBudget, Subject::Resilience, Subject::Reqwest] {
            let [heap, _] = ask(&["waiting", &argument(subject), &argument(uri), &WAITING.to_string()])?;
            known.push((subject, heap / WAITING as f64));
        }
        // The policy that neither waits nor counts has nobody wait.
        report.row(Measure::WaitingBytes, name, |subject| of(&known, subject));
    }
    Ok(())
}

/// A million requests that wait, for real. Only ours: through the others they hold 10 GB and more.
pub(crate) fn million(report: &mut Report) -> anyhow::Result<()> {
    for (name, uri) in [(promise::MILLION, Uri::OfTheBuffer), (promise::MILLION_OWN_URI, Uri::Own)] {
        let [_, resident] = ask(&["waiting", &argument(Subject::Ours), &argument(uri), "1000000"])?;
        report.row(Measure::Gigabytes, name, |subject| (subject == Subject::Ours).then_some(resident / 1e9));
    }
    Ok(())
}

fn ask(arguments: &[&str]) -> anyhow::Result<[f64; 2]> {
    let output = Command::new(env!("CARGO_BIN_EXE_counts")).args(arguments).output()?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let (first, second) = text.trim().split_once(' ').context("there are no two counts")?;
    Ok([first.parse()?, second.parse()?])
}

const SENT: u64 = 1_000;
const WAITING: u64 = 100_000;
