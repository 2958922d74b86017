//! What the bench asks for that needs an allocator which counts. Prints numbers, for the bench to read.

use std::fs;

use anyhow::Context;
use clap::Parser;
use retry_bench::{Case, Subject, Uri, line, prepare};

/// Counts allocations and bytes.
#[derive(Debug, Parser)]
enum Cli {
    /// Of so many requests that are answered: allocations and bytes.
    Sent { case: Case, subject: Subject, requests: u64 },
    /// Of so many requests that wait: bytes on the heap, and resident ones.
    Waiting { subject: Subject, uri: Uri, requests: usize },
}

fn main() -> anyhow::Result<()> {
    match Cli::parse() {
        Cli::Sent { case, subject, requests } => {
            let mut run = prepare(case, subject).context("it would sleep")?;
            // What is made once for all requests is made by the first.
            run(WARM_UP);
            let counts = allocation_counter::measure(|| run(requests));
            println!("{} {}", counts.count_total, counts.bytes_total);
        }
        Cli::Waiting { subject, uri, requests } => {
            // It never turns, and so nobody's time comes.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
            let _entered = runtime.enter();
            let mut wait = line(subject, uri).context("it does not wait")?;
            drop(wait());
            let mut waiters = Vec::with_capacity(requests);
            let before = resident()?;
            let counts = allocation_counter::measure(|| waiters.extend((0..requests).map(|_| wait())));
            let after = resident()?;
            println!("{} {}", counts.bytes_current, after.saturating_sub(before));
            drop(waiters);
        }
    }
    Ok(())
}

/// The memory that this process holds now, in bytes.
fn resident() -> anyhow::Result<u64> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1_024)
}

const WARM_UP: u64 = 100;
