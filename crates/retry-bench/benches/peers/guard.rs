//! Counts that must not grow. Counts are the same at every load, so the checks before a change lands can compare them.

use anyhow::ensure;
use retry_bench::{Case, Subject};

use crate::{instructions, pace, promise};

/// Fails if the layer takes a larger share of the instructions of tower than it did.
pub(crate) fn check() -> anyhow::Result<()> {
    let mut grown = Vec::new();
    for (case, most) in GUARDED {
        let [bare, tower, ours] =
            [Subject::Bare, Subject::Tower, Subject::Ours].map(|subject| instructions::each(*case, subject));
        let bare = bare?;
        let (tower, ours) = (tower? - bare, ours? - bare);
        let ratio = ours / tower;
        println!(
            "{}: {ours:.0} instructions added, {ratio:.3} of tower's {tower:.0}, at most {most}",
            case.name()
        );
        if ratio > *most {
            grown.push(case.name());
        }
    }
    let pace = pace::instructions_added()?;
    println!("{}: {pace:.0} instructions added, at most {PACE}", promise::REST);
    if pace > PACE {
        grown.push(promise::REST);
    }
    ensure!(grown.is_empty(), "the layer takes more instructions than it did: {}", grown.join("; "));
    Ok(())
}

/// Today's ratios and about 2 % more: the C library chooses its copies by the processor, so the counts of two machines differ
/// by that much.
const GUARDED: &[(Case, f64)] = &[
    (Case::Get12, 0.54),
    (Case::Get30, 0.31),
    (Case::Owned, 0.20),
    (Case::Post, 0.66),
    (Case::Once, 2.03),
    (Case::Resend, 2.87),
];

/// The instructions that a pace at rest adds to a request with 13 headers, and 5 % more.
const PACE: f64 = 1_880.0;
