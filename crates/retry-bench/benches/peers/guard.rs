//! What must not grow: counts, which are the same at every load. For whoever lands a change.

use anyhow::ensure;
use retry_bench::{Case, Subject};

use crate::instructions;

/// Fails where the layer takes more of what tower takes than it did.
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
    ensure!(grown.is_empty(), "it takes more instructions than it did: {}", grown.join("; "));
    Ok(())
}

/// What is, and a little more: allocators and machines differ by a few.
const GUARDED: &[(Case, f64)] = &[
    (Case::Get12, 0.50),
    (Case::Get30, 0.30),
    (Case::Owned, 0.20),
    (Case::Post, 0.62),
    (Case::Once, 1.55),
    (Case::Resend, 2.60),
];
