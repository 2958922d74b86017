//! Time, on machines that others use too.

use std::time::Instant;

use retry_peers::{Case, Run, Subject, prepare};

use crate::report::{Measure, Report, median};

/// All of them take turns, so that what slows the machine down slows all of them down; what a peer adds is the median over
/// the rounds of what it took in a round, less what took those that have no peer.
pub(crate) fn measure(report: &mut Report, rounds: usize) {
    for case in Case::ALL {
        let subjects = [Subject::Bare, Subject::BareReqwest].into_iter().chain(Subject::PEERS);
        let mut runs: Vec<(Subject, Run)> =
            subjects.filter_map(|subject| Some((subject, prepare(case, subject)?))).collect();
        let sent = if matches!(case, Case::Replay64 | Case::Replay1024) { FEW } else { MANY };
        let mut times = vec![Vec::new(); runs.len()];
        for round in 0..=rounds {
            for (place, (_, run)) in runs.iter_mut().enumerate() {
                let started = Instant::now();
                run(sent);
                let took = started.elapsed().as_nanos() as f64 / sent as f64;
                // The first is for the caches.
                if round > 0 {
                    times[place].push(took);
                }
            }
        }
        let of = |subject| runs.iter().position(|(known, _)| *known == subject).map(|place| &times[place]);
        report.row(Measure::Time, case.name(), |subject| {
            let pairs = of(subject)?.iter().zip(of(subject.without())?);
            Some(median(pairs.map(|(with, without)| with - without).collect()))
        });
    }
}

const MANY: u64 = 2_000;
const FEW: u64 = 500;
