//! The grid: the pace against servers of all kinds, drawn at random, beside a clairvoyant and the layer without a pace.

mod draws;
mod driver;
mod families;
mod figures;
mod floor;
mod load;
mod model;
mod must;
mod network;
mod outcome;
mod parameters;
mod report;
mod run;
mod scenario;
mod server;
mod sweep;
mod tables;
#[cfg(test)]
mod testing;

pub use self::families::{Case, Family};
pub use self::figures::{Figures, Run};
pub use self::floor::floor;
pub use self::model::{Model, ModelReply, ModelRequest};
pub use self::must::{Check, Runs, Unit};
pub use self::outcome::{CallOutcome, Outcome, PaceSample, RequestOutcome};
pub use self::parameters::{Draw, Parameter, Setting, Value};
pub use self::report::{CheckReport, FamilyReport, Spread, StrategyReport};
pub use self::run::{Strategy, run, run_traced};
pub use self::scenario::{
    Announces, Arrivals, CallerFaults, HintSpec, Limit, Load, Noise, Outage, Quota, Scenario, ServerSpec,
    TenantLoad,
};
pub use self::sweep::{DrawReport, STRATEGIES, Sweep};
pub use self::tables::{checks_table, figures_table, other_misses, runs_table, verdict_table};
