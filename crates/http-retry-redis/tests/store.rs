//! The store on a real `redis-server`: one binary, and each module of it is one subject.

#[path = "store/answers.rs"]
mod answers;
#[cfg(feature = "cluster")]
#[path = "store/cluster.rs"]
mod cluster;
#[path = "store/earlier_release.rs"]
mod earlier_release;
#[path = "store/example.rs"]
mod example;
#[path = "store/fleet.rs"]
mod fleet;
#[path = "store/outages.rs"]
mod outages;
#[path = "store/releases.rs"]
mod releases;
#[path = "store/rights.rs"]
mod rights;
#[cfg(feature = "sentinel")]
#[path = "store/sentinel.rs"]
mod sentinel;
#[path = "store/support.rs"]
mod support;
#[path = "store/tls.rs"]
mod tls;
