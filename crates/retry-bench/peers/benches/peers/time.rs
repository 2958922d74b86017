//! Time, on machines that others use too.

use std::time::Instant;

use retry_peers::{Case, Run, Subject, prepare};

use crate::report::{Measure, Report, median};

/// All of them take turns, so that what slows the machine down slows all of them down. What a peer adds in a round is what it
/// took, less what the server took alone in the same round; the figure is the median over the rounds.
pub(crate) fn measure(report: &mut Report, rounds: usize) {
    for case in Case::ALL {
        let subjects = [Subject::Bare, Subject::BareReqwest].into_iter().chain(Subject::PEERS);
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
        let of = |subject| runs.iter().position(|(known, _)| *known == subject).map(|place| &times[place]);
        report.row(Measure::Time, case.name(), |subject| {
            let pairs = of(subject)?.iter().zip(of(subject.without())?);
            Some(median(pairs.map(|(with, without)| with - without).collect()))
        });
    }
}

const MANY: u64 = 500;
const FEW: u64 = 125;
