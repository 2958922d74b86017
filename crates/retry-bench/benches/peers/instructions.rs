//! Instructions: the same on every machine of a kind, at every load.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, ensure};
use retry_bench::{Case, Subject, prepare};

use crate::argument;
use crate::report::{Measure, Report};

/// What each peer adds to what is there without it.
pub(crate) fn measure(report: &mut Report) -> anyhow::Result<()> {
    for case in Case::ALL {
        let mut taken: Vec<(Subject, f64)> = Vec::new();
        for subject in Subject::ALL.into_iter().filter(|subject| prepare(case, *subject).is_some()) {
            taken.push((subject, each(case, subject)?));
        }
        report.added(Measure::Instructions, case, &taken);
    }
    Ok(())
}

/// The difference between a long and a short run, so that starting, warming up and stopping are not counted.
pub(crate) fn each(case: Case, subject: Subject) -> anyhow::Result<f64> {
    let [short, long] = [under_callgrind(case, subject, SHORT)?, under_callgrind(case, subject, LONG)?];
    Ok((long as f64 - short as f64) / (LONG - SHORT) as f64)
}

/// The instructions of a process of this program that only sends.
fn under_callgrind(case: Case, subject: Subject, requests: u64) -> anyhow::Result<u64> {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("out");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", &format!("--callgrind-out-file={}", out.display())])
        .arg(env::current_exe()?)
        .args(["--send", &argument(case), &argument(subject), &requests.to_string()])
        .output()
        .context("valgrind is not installed")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    total(&out)
}

fn total(path: &Path) -> anyhow::Result<u64> {
    let text = fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
    let of = |name| text.lines().find_map(|line| line.strip_prefix(name));
    let total = of("summary: ").or_else(|| of("totals: ")).context("callgrind wrote no total")?;
    Ok(total.trim().parse()?)
}

const SHORT: u64 = 200;
const LONG: u64 = 700;
