//! Whether a fleet spends like one: four and eight gateways as processes, a `redis-server`, and one server that counts.
//!
//! `cargo bench -p retry-gateway --bench fleet` plays each row three times, and prints a Markdown table of the medians. The exit status
//! is 1 if a bound does not hold.

#[allow(dead_code, reason = "tests use the rest")]
#[path = "../../tests/gateway/client.rs"]
mod client;
#[path = "../../tests/fleet/load.rs"]
mod load;
#[path = "../../tests/fleet/members.rs"]
mod members;
#[path = "../../tests/fleet/plays.rs"]
mod plays;
#[allow(dead_code, reason = "tests use the rest")]
#[path = "../../tests/gateway/process.rs"]
mod process;
#[path = "../../tests/fleet/server.rs"]
mod server;

use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use clap::Parser;

use self::plays::{Figures, Trouble};

/// The default of the gateway.
const STORE_TIMEOUT: &str = "50ms";

/// Plays the rows of a fleet.
#[derive(Debug, Parser)]
struct Cli {
    /// The rows to play, by a part of their names; all if none is named.
    rows: Vec<String>,
    /// The sizes of the fleet.
    #[arg(long, num_args = 1.., default_values_t = [4, 8])]
    members: Vec<usize>,
    /// The number of runs, of which the median counts.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// What cargo passes to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A row of the table.
struct Row {
    name: &'static str,
    play: fn(usize) -> Figures,
    /// `true` if the bounds are about the figures of one gateway.
    is_relative: bool,
    bounds: &'static [Bound],
}

/// A figure, and its bound by the figures of one gateway.
struct Bound {
    name: &'static str,
    figure: fn(&Figures) -> f64,
    bound: fn(&Figures) -> f64,
}

const FAILED: Bound = Bound { name: "failed", figure: |it| it.failed as f64, bound: |_| 0.0 };
const FOUR_REFUSED: Bound = Bound { name: "refused", figure: |it| it.refused as f64, bound: |_| 4.0 };
const TWO_REFUSED: Bound = Bound { name: "refused", figure: |it| it.refused as f64, bound: |_| 2.0 };
const P99_AFTER: Bound = Bound { name: "p99 after 1.5 s, s", figure: |it| it.p99, bound: |_| 0.75 };
const JOINED: Bound = Bound { name: "joined after, s", figure: |it| it.other, bound: |_| 2.5 };
const BURST: &[Bound] = &[
    FAILED,
    Bound { name: "calls", figure: |it| it.calls as f64, bound: |one| 1.03 * one.calls as f64 + 1.0 },
    Bound { name: "time, s", figure: |it| it.seconds, bound: |one| 1.1 * one.seconds },
];

const ROWS: &[Row] = &[
    Row {
        name: "160 at once, limit known",
        play: |members| plays::burst(members, true),
        is_relative: true,
        bounds: BURST,
    },
    Row {
        name: "160 at once, limit unknown",
        play: |members| plays::burst(members, false),
        is_relative: true,
        bounds: BURST,
    },
    Row {
        name: "80 % of the limit",
        play: |members| plays::below_the_limit(members, Duration::from_secs(12)),
        is_relative: true,
        bounds: &[
            FAILED,
            Bound { name: "refused", figure: |it| it.refused as f64, bound: |one| one.refused as f64 + 1.0 },
            Bound { name: "p99, s", figure: |it| it.p99, bound: |one| 1.2 * one.p99 + 0.03 },
        ],
    },
    Row {
        name: "200/s a gateway",
        play: |members| plays::asks(members, 200.0, Duration::from_secs(4)),
        is_relative: false,
        bounds: &[FAILED, Bound { name: "asks for 1,000", figure: |it| it.other, bound: |_| 60.0 }],
    },
    Row {
        name: "store killed for 3 s",
        play: |members| plays::store_in_trouble(members, Trouble::Killed),
        is_relative: false,
        bounds: &[FAILED, FOUR_REFUSED, JOINED],
    },
    Row {
        name: "store stopped for 3 s",
        play: |members| plays::store_in_trouble(members, Trouble::Stopped),
        is_relative: false,
        bounds: &[FAILED, FOUR_REFUSED, JOINED],
    },
    Row {
        name: "store slow",
        play: |members| plays::store_in_trouble(members, Trouble::Slow),
        is_relative: false,
        bounds: &[FAILED, TWO_REFUSED],
    },
    Row {
        name: "a member killed",
        play: plays::member_killed,
        is_relative: false,
        bounds: &[FAILED, TWO_REFUSED, P99_AFTER],
    },
    Row {
        name: "a member stopped for 4 s",
        play: plays::member_stopped,
        is_relative: false,
        bounds: &[FAILED, TWO_REFUSED, P99_AFTER],
    },
    Row {
        name: "a bad caller",
        play: plays::bad_caller,
        is_relative: false,
        bounds: &[FAILED, Bound { name: "p99, s", figure: |it| it.p99, bound: |_| 2.0 }],
    },
    Row {
        name: "server down",
        play: plays::outage,
        is_relative: true,
        bounds: &[Bound { name: "resends", figure: |it| it.other, bound: |one| 1.2 * one.other + 10.0 }],
    },
    Row {
        name: "150 % of the limit",
        play: plays::above_the_limit,
        is_relative: false,
        bounds: &[FAILED, Bound { name: "1 - Jain", figure: |it| 1.0 - it.other, bound: |_| 0.01 }],
    },
    Row {
        name: "rolling restart",
        play: plays::rolling_restart,
        is_relative: false,
        bounds: &[FAILED, TWO_REFUSED],
    },
];

fn main() -> ExitCode {
    let cli = Cli::parse();
    let probe = Command::new(testkit::redis::program()).arg("--version").stdout(Stdio::null()).status();
    if probe.is_err() {
        eprintln!("redis-server is not on PATH; install it (Debian: apt-get install redis-server)");
        return ExitCode::FAILURE;
    }
    let is_chosen = |row: &&Row| cli.rows.is_empty() || cli.rows.iter().any(|name| row.name.contains(name));
    let mut all_hold = true;
    println!(
        "| row | gateways | figure | of one | of the fleet | bound | holds |\n|---|--:|---|--:|--:|--:|---|"
    );
    for row in ROWS.iter().filter(is_chosen) {
        let one = row.is_relative.then(|| runs(row, 1, cli.runs));
        for members in &cli.members {
            let many = runs(row, *members, cli.runs);
            for bound in row.bounds {
                all_hold &= print(row, *members, bound, one.as_deref(), &many);
            }
        }
    }
    if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn runs(row: &Row, members: usize, count: usize) -> Vec<Figures> {
    (0..count.max(1)).map(|_| (row.play)(members)).collect()
}

/// Prints the line of a bound. Returns whether it holds.
fn print(row: &Row, members: usize, bound: &Bound, one: Option<&[Figures]>, many: &[Figures]) -> bool {
    let value = median(many.iter().map(bound.figure));
    let of_one = one.map(|one| median(one.iter().map(bound.figure)));
    let most = median(one.unwrap_or(many).iter().map(bound.bound));
    let shown = of_one.map_or_else(String::new, |value| format!("{value:.2}"));
    let holds = value <= most;
    let (name, figure) = (row.name, bound.name);
    println!(
        "| {name} | {members} | {figure} | {shown} | {value:.2} | {most:.2} | {} |",
        if holds { "yes" } else { "**no**" }
    );
    holds
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
