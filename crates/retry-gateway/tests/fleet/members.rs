//! Members of a fleet: gateways as processes, with a store of their own and one server.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use testkit::redis::RedisServer;

use crate::STORE_TIMEOUT;
use crate::load;
use crate::process::Gateway;
use crate::server::LimitedServer;

/// Some gateways, their store and their server.
pub(crate) struct Members {
    pub(crate) store: RedisServer,
    pub(crate) server: LimitedServer,
    pub(crate) gateways: Vec<Gateway>,
}

impl Members {
    /// Starts members that have joined, in front of a server with this limit, of which they know nothing.
    pub(crate) fn start(members: usize, per_second: f64, burst: f64) -> Self {
        Self::start_with(members, per_second, burst, PACED)
    }

    /// Starts members that resend what fails twice, and have no pace.
    pub(crate) fn without_pace(members: usize, per_second: f64, burst: f64) -> Self {
        Self::start_with(members, per_second, burst, UNPACED)
    }

    fn start_with(members: usize, per_second: f64, burst: f64, settings: Settings) -> Self {
        let (store, server) = (RedisServer::start(), LimitedServer::start(per_second, burst));
        let gateways = (0..members).map(|_| gateway(&store, &server, settings)).collect();
        let members = Self { store, server, gateways };
        members.wait_joined(members.gateways.len(), Duration::from_secs(20));
        members
    }

    /// Starts members that know the limit, because all of them have met it.
    pub(crate) fn knowing(members: usize, per_second: f64, burst: f64) -> Self {
        let members = Self::start(members, per_second, burst);
        let knows = |gateway: &Gateway| {
            let key = &gateway.status()["fleet"]["paces"][0];
            key["per_second"].as_f64().is_some_and(|rate| rate > 0.25 * per_second)
        };
        for _ in 0..10 {
            load::steady(&members.addresses(), 1.5 * per_second, Duration::from_secs(2));
            if members.gateways.iter().all(knows) {
                break;
            }
        }
        let paces = || members.gateways.iter().map(|gateway| gateway.status()["fleet"]["paces"].to_string());
        assert!(members.gateways.iter().all(knows), "not learned: {:#?}", paces().collect::<Vec<_>>());
        thread::sleep(Duration::from_secs(1));
        members
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.gateways.iter().map(|gateway| gateway.address).collect()
    }

    /// Waits until each member says that it has joined, with so many others. Returns how long that took.
    pub(crate) fn wait_joined(&self, members: usize, most: Duration) -> Duration {
        let begin = Instant::now();
        let has_joined = |gateway: &Gateway| {
            let fleet = &gateway.status()["fleet"];
            fleet["state"] == "joined" && fleet["members"].as_u64() == Some(members as u64)
        };
        while !self.gateways.iter().all(has_joined) {
            assert!(begin.elapsed() < most, "not all {members} members have joined");
            thread::sleep(Duration::from_millis(10));
        }
        begin.elapsed()
    }

    /// Waits until each member says that it has joined. Returns how long that took, or the most that it waits.
    pub(crate) fn joined_after(&self, most: Duration) -> Duration {
        let begin = Instant::now();
        let has_joined = |gateway: &Gateway| gateway.status()["fleet"]["state"] == "joined";
        while !self.gateways.iter().all(has_joined) && begin.elapsed() < most {
            thread::sleep(Duration::from_millis(10));
        }
        begin.elapsed()
    }

    /// Returns the requests to the store until now, without signs of life.
    pub(crate) fn asks(&self) -> f64 {
        let scripts = ["lease", "publish", "settle"];
        let of = |gateway: &Gateway| -> f64 {
            scripts.iter().map(|name| gateway.metric(&format!("fleet_asks_total{{script=\"{name}\"}}"))).sum()
        };
        self.gateways.iter().map(of).sum()
    }

    /// Starts one more member.
    pub(crate) fn add(&mut self) {
        self.gateways.push(gateway(&self.store, &self.server, PACED));
    }
}

/// The settings of an upstream and of its route.
type Settings = [&'static str; 2];

/// What is refused is resent, so that all is served in the end.
const PACED: Settings = ["pace.key = \"credential\"", "timeout = \"60s\"\nretry.num_retries = 8"];
const UNPACED: Settings = ["", ""];

fn gateway(store: &RedisServer, server: &LimitedServer, [upstream, route]: Settings) -> Gateway {
    Gateway::by(&format!(
        "\nadmin = \"127.0.0.1:0\"\nlisten = \"127.0.0.1:0\"\n\
         fleet = {{ store = \"{}\", name = \"test\", timeout = \"{STORE_TIMEOUT}\" }}\n\
         [upstreams.api]\nendpoints = [\"http://{}\"]\noutlier_detection = false\n{upstream}\n\
         [[routes]]\nupstream = \"api\"\n{route}\n",
        store.url(),
        server.address
    ))
}
