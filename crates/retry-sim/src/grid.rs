//! The grid: the pace against servers of all kinds, drawn at random, beside a clairvoyant and the layer without a pace.

mod draws;
mod driver;
mod floor;
mod load;
mod network;
mod outcome;
mod run;
mod scenario;
mod server;
#[cfg(test)]
mod testing;

pub use self::floor::floor;
pub use self::outcome::{CallOutcome, Outcome, RequestOutcome};
pub use self::run::{Strategy, run, run_traced};
pub use self::scenario::{
    Announces, Arrivals, CallerFaults, HintSpec, Limit, Load, Noise, Outage, Quota, Scenario, ServerSpec,
    TenantLoad,
};
