//! stub
use super::{Outcome, Scenario};
/// A stub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Strategy { Alone, Pace, PaceSlowStart }
pub(super) fn run(_: &Scenario, _: Strategy, _: u64, _: bool) -> Outcome { Outcome::default() }
