//! The grid: the pace against servers of all kinds, drawn at random, beside a clairvoyant and the layer without a pace.

mod draw;
mod families;
mod figures;
mod floor;
mod must;
mod outcome;
mod report;
mod run;
mod scenario;
mod sweep;
mod tables;

pub use self::draw::{Draw, Parameter, Setting, Value};
pub use self::families::{Case, Family};
pub use self::figures::{Figures, Run};
pub use self::must::{Check, Runs, Unit};
pub use self::outcome::{CallOutcome, Outcome, RequestOutcome};
pub use self::report::{CheckReport, FamilyReport, Spread, StrategyReport};
pub use self::run::Strategy;
pub use self::scenario::{
    Announces, Arrivals, CallerFaults, HintSpec, Limit, Load, Noise, Outage, Quota, Scenario, ServerSpec,
    TenantLoad,
};
pub use self::sweep::{DrawReport, STRATEGIES, Sweep};
pub use self::tables::{checks_table, figures_table, other_misses, runs_table, verdict_table};
