//! What the gateway costs, and what it spares a server that is down.
//!
//! `cargo bench -p retry-gateway --bench gateway` runs all parts, and names of parts behind `--` only those. The
//! yardstick is a bare proxy of the same libraries; HAProxy is measured beside it. nginx is the origin, h2load the load.

mod cost;
mod faults;
mod load;
mod meter;
mod origin;
mod outage;
mod proxy;
mod report;
mod server;
mod tenants;
mod yardstick;

use clap::{Parser, ValueEnum};

/// Measures the gateway.
#[derive(Debug, Parser)]
struct Cli {
    /// What is measured; everything if nothing is named.
    parts: Vec<Part>,
    /// How many rounds of the parts that take time.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// What cargo passes to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Instructions in user space for each request, under callgrind.
    Instructions,
    /// The same of requests to an API of a language model.
    Llm,
    /// CPU time for each request, kernel included.
    Cpu,
    /// Resident memory with 64 connections.
    Memory,
    /// What clients see of an upstream that fails every tenth request, and what that costs it.
    Faults,
    /// What an upstream that is down sees of the resends.
    Outage,
    /// The latency of a tenant beside one that its upstream throttles.
    Tenants,
}

fn main() -> anyhow::Result<()> {
    if let Some(result) = yardstick::run_if_asked() {
        return result;
    }
    let cli = Cli::parse();
    let parts = if cli.parts.is_empty() { Part::value_variants() } else { &cli.parts };
    for part in parts {
        match part {
            Part::Instructions => cost::instructions()?,
            Part::Llm => cost::llm()?,
            Part::Cpu => cost::cpu(cli.rounds)?,
            Part::Memory => cost::memory()?,
            Part::Faults => faults::run()?,
            Part::Outage => outage::run()?,
            Part::Tenants => tenants::run(cli.rounds)?,
        }
    }
    Ok(())
}
