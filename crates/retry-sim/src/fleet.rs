//! Members of a fleet on one limit, in virtual time: what N of them cost, compared with one.

mod member;
mod scenario;
mod server;
mod table;
mod world;

pub use self::scenario::{Fault, FleetLoad, FleetScenario};
pub use self::table::{FleetRow, fleet_rows, fleet_table};
pub use self::world::FleetFigures;
