//! What a pace adds to a request whose key is free, while nobody waits: alone, and with another thread at the same key.

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use retry_bench::{Case, Run, Subject, at_rest};

use crate::report::{Measure, Report};
use crate::{counts, instructions, promise};

/// Adds the rows of the pace. The column of this crate is the only one, because no peer has a pace.
pub(crate) fn measure(report: &mut Report, rounds: usize) -> anyhow::Result<()> {
    report.ours(Measure::PaceInstructions, promise::REST, instructions_added()?);
    let allocations =
        [Subject::Ours, Subject::Paced].map(|subject| counts::allocations_of(Case::Get13, subject));
    let [without, with] = allocations;
    report.ours(Measure::PaceAllocations, promise::REST, with? - without?);
    let [[without_1, with_1], [without_2, with_2]] = times(rounds);
    report.ours(Measure::PaceTime, promise::REST_1, with_1 - without_1);
    report.ours(Measure::PaceTime, promise::REST_2, with_2 - without_2);
    report.ours(Measure::PaceThreads, promise::REST, with_2 / with_1);
    report.ours(Measure::PaceThreads, promise::UNPACED, without_2 / without_1);
    println!(
        "ns of a call without and with a pace at rest: {without_1:.0} and {with_1:.0} in one thread, \
         {without_2:.0} and {with_2:.0} in two"
    );
    Ok(())
}

/// The instructions that a pace adds to each request.
pub(crate) fn instructions_added() -> anyhow::Result<f64> {
    Ok(instructions::each(Case::Get13, Subject::Paced)? - instructions::each(Case::Get13, Subject::Ours)?)
}

/// The least nanoseconds of a call, in one thread and in two, without a pace and with one. The four take turns, so that what
/// slows the machine down slows all of them down; it makes rounds slower, and never faster.
fn times(rounds: usize) -> [[f64; 2]; 2] {
    let subjects = [false, true].map(at_rest);
    let mut least = [[f64::INFINITY; 2]; 2];
    for _ in 0..rounds {
        for threads in [1, 2] {
            for (subject, prepare) in subjects.iter().enumerate() {
                if let Some(time) = time_of_a_call(threads, prepare) {
                    let least = &mut least[threads - 1][subject];
                    *least = least.min(time);
                }
            }
        }
    }
    least
}

/// The time of the slowest thread; `None` if the threads did not run at the same time, and so did not meet.
fn time_of_a_call(threads: usize, prepare: &(dyn Fn() -> Run + Send + Sync)) -> Option<f64> {
    let start = Barrier::new(threads);
    let run = || {
        let mut run = prepare();
        run(WARM_UP);
        start.wait();
        let started = Instant::now();
        run(CALLS);
        (started, Instant::now())
    };
    let spans = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        let mut spans = vec![run()];
        spans.extend(others.into_iter().map(|other| other.join().expect("it does not panic")));
        spans
    });
    let longest = spans.iter().map(|(start, end)| *end - *start).max()?;
    let (first, last) = (spans.iter().map(|span| span.1).min()?, spans.iter().map(|span| span.0).max()?);
    let overlap = first.saturating_duration_since(last);
    (overlap >= longest.mul_f64(LEAST_OVERLAP)).then(|| longest.as_nanos() as f64 / CALLS as f64)
}

const WARM_UP: u64 = 100;
/// About a millisecond, so that there are rounds of which a neighbour on the machine takes nothing.
const CALLS: u64 = 1_000;
/// The part of a round in which both threads must run.
const LEAST_OVERLAP: f64 = 0.9;
