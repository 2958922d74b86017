//! What a run of a fleet is like.

use std::time::Duration;

use super::world::{FleetFigures, World};

/// One run: a server, the members, their load, and what fails.
#[derive(Clone, Debug)]
pub struct FleetScenario {
    /// The name of the row.
    pub name: &'static str,
    /// The server's limit per second, and the calls that it serves at once.
    pub rate: f64,
    /// The calls that it serves at once.
    pub burst: f64,
    /// The requests of all members.
    pub load: FleetLoad,
    /// The time in which requests come.
    pub time: Duration,
    /// The time from a question to the store's answer.
    pub trip: Duration,
    /// What fails.
    pub fault: Fault,
    /// `true` for members that meet the limit before the run.
    pub knows: bool,
    /// `false` for members that know nothing of each other.
    pub shares: bool,
}

/// The requests of all members together.
#[derive(Clone, Copy, Debug)]
pub enum FleetLoad {
    /// Poisson arrivals, at this part of the limit.
    Part(f64),
    /// All at once, so many times the limit of a second.
    AtOnce(f64),
}

/// What fails in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// One of a hundred pieces of news is lost.
    News,
    /// One member is killed after a third of the time.
    Killed,
    /// The store is gone for a sixth of the time, and comes back empty.
    StoreGone,
    /// The server refuses all for a tenth of the time.
    Outage,
}

impl FleetScenario {
    /// The rows of the table. The constants of a fleet were chosen with them, so they do not judge those without bias.
    pub fn all() -> Vec<Self> {
        let base = Self {
            name: "",
            rate: 60.0,
            burst: 12.0,
            load: FleetLoad::Part(0.8),
            time: Duration::from_secs(20),
            trip: Duration::from_millis(2),
            fault: Fault::None,
            knows: true,
            shares: true,
        };
        let row = |name, rate, burst, load| Self { name, rate, burst, load, ..base.clone() };
        let part = FleetLoad::Part;
        vec![
            row("half of the limit", 60.0, 12.0, part(0.5)),
            row("80 %", 60.0, 12.0, part(0.8)),
            row("95 %", 60.0, 12.0, part(0.95)),
            row("150 %", 60.0, 12.0, part(1.5)),
            Self { time: Duration::from_secs(15), ..row("200 %", 60.0, 12.0, part(2.0)) },
            row("four seconds' worth at once", 60.0, 12.0, FleetLoad::AtOnce(4.0)),
            Self {
                knows: false,
                ..row("four seconds' worth at once, not known", 60.0, 12.0, FleetLoad::AtOnce(4.0))
            },
            Self { knows: false, ..row("150 %, not known", 60.0, 12.0, part(1.5)) },
            row("5 per second, burst 1, 80 %", 5.0, 1.0, part(0.8)),
            Self {
                time: Duration::from_secs(20),
                ..row("700 per second, burst 70, 80 %", 700.0, 70.0, part(0.8))
            },
            Self {
                time: Duration::from_secs(5),
                ..row("5,000 per second, burst 100, 80 %", 5e3, 100.0, part(0.8))
            },
            Self { trip: Duration::from_micros(200), ..row("80 %, trips of 0.2 ms", 60.0, 12.0, part(0.8)) },
            Self { trip: Duration::from_millis(20), ..row("80 %, trips of 20 ms", 60.0, 12.0, part(0.8)) },
            Self { fault: Fault::News, ..row("150 %, 1 % of news lost", 60.0, 12.0, part(1.5)) },
            Self { fault: Fault::Killed, ..row("80 %, a member killed", 60.0, 12.0, part(0.8)) },
            Self { fault: Fault::StoreGone, ..row("80 %, the store gone for 3 s", 60.0, 12.0, part(0.8)) },
            Self { fault: Fault::Outage, ..row("80 %, the server down for 2 s", 60.0, 12.0, part(0.8)) },
        ]
    }

    /// Plays the scenario with so many members. If they know the limit, they meet it before the run, and rest for two seconds.
    pub fn play(&self, members: usize, seed: u64) -> FleetFigures {
        let mut world = World::new(self, members, seed);
        world.join();
        if self.knows {
            world.warm_up();
        }
        world.run();
        world.figures()
    }
}
