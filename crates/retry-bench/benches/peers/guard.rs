//! Counts that must not grow. Counts are the same at every load, so the checks before a change lands can compare them.

use anyhow::ensure;
use retry_bench::{Case, Subject};

use crate::instructions;

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
    ensure!(grown.is_empty(), "the layer takes more instructions than it did: {}", grown.join("; "));
    Ok(())
}

/// Today's ratios and a little more, because allocators and machines differ by a few instructions.
const GUARDED: &[(Case, f64)] = &[
    (Case::Get12, 0.50),
    (Case::Get30, 0.30),
    (Case::Owned, 0.20),
    (Case::Post, 0.62),
    (Case::Once, 1.90),
    (Case::Resend, 2.65),
];
