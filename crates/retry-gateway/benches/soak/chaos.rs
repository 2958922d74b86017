//! What is done to the upstreams and to the configuration, by a seed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use testkit::redis::RedisServer;
use tokio::time::sleep;

use crate::book::Books;
use crate::endpoint::Endpoint;
use crate::gateway::{Change, Gateway};
use crate::upstream::Mode;

/// Whether all should end.
pub(crate) type Stop = Arc<AtomicBool>;

#[derive(Clone, Copy, Debug)]
enum Fault {
    Kill,
    Pause,
    /// It is paused for longer than an attempt may take, as a host that has vanished.
    Vanish,
    Behave(Mode, &'static str),
}

impl Fault {
    fn name(self) -> &'static str {
        match self {
            Self::Kill => "killed",
            Self::Pause => "paused",
            Self::Vanish => "vanished",
            Self::Behave(_, name) => name,
        }
    }
}

/// Does one thing after the other to an upstream, and leaves it well.
pub(crate) async fn upstream(
    mut endpoint: Endpoint,
    seed: u64,
    stop: Stop,
    books: Books,
) -> anyhow::Result<Endpoint> {
    let mut rng = StdRng::seed_from_u64(seed);
    let modes = Mode::ALL[1..].iter().map(|(mode, name)| Fault::Behave(*mode, name));
    let faults: Vec<_> = [Fault::Kill, Fault::Pause, Fault::Vanish].into_iter().chain(modes).collect();
    while !stop.load(Ordering::Relaxed) {
        sleep(Duration::from_millis(rng.random_range(300..2500))).await;
        let Some(fault) = faults.choose(&mut rng).copied() else { break };
        *books.open().faults.entry(fault.name()).or_default() += 1;
        match fault {
            Fault::Kill => {
                endpoint.kill();
                books.open().kills.push((endpoint.address, Instant::now()));
            }
            Fault::Pause | Fault::Vanish => endpoint.signal("STOP")?,
            Fault::Behave(mode, _) => endpoint.behave(mode)?,
        }
        let millis = if matches!(fault, Fault::Vanish) { 3_000..6_000 } else { 200..2_000 };
        sleep(Duration::from_millis(rng.random_range(millis))).await;
        match fault {
            Fault::Kill => endpoint.restart()?,
            Fault::Pause | Fault::Vanish => endpoint.signal("CONT")?,
            Fault::Behave(..) => endpoint.behave(Mode::Well)?,
        }
    }
    Ok(endpoint)
}

/// Kills the store of the fleet, or stops it, again and again. It comes back empty, and is well at the end.
pub(crate) async fn store(store: Option<&mut RedisServer>, seed: u64, stop: Stop, books: &Books) {
    let Some(store) = store else { return };
    let mut rng = StdRng::seed_from_u64(seed);
    while !stop.load(Ordering::Relaxed) {
        sleep(Duration::from_millis(rng.random_range(1_000..8_000))).await;
        let is_killed = rng.random_bool(0.5);
        let name = if is_killed { "store killed" } else { "store stopped" };
        *books.open().faults.entry(name).or_default() += 1;
        if is_killed {
            store.kill();
        } else {
            store.stop();
        }
        sleep(Duration::from_millis(rng.random_range(200..4_000))).await;
        if is_killed {
            store.restart();
        } else {
            store.go_on();
        }
    }
}

/// Leaves the gateway's log unread for the middle of a round.
pub(crate) async fn unread_log(gateway: &Gateway, length: Duration, books: &Books) {
    sleep(length / 4).await;
    *books.open().faults.entry("log left unread").or_default() += 1;
    gateway.read_log(false);
    sleep(length / 2).await;
    gateway.read_log(true);
}

/// Has the gateway read other files, and at the end the first one.
pub(crate) async fn reloads(
    gateway: &Gateway,
    endpoints: &[SocketAddr],
    seed: u64,
    stop: Stop,
    books: &Books,
) -> anyhow::Result<()> {
    let mut rng = StdRng::seed_from_u64(seed);
    let changes = [
        (Change::None, "reload of a good file"),
        (Change::Route, "reload with another route"),
        (Change::Endpoints, "reload with other endpoints"),
        (Change::Bad, "reload of a bad file"),
    ];
    while !stop.load(Ordering::Relaxed) {
        sleep(Duration::from_millis(rng.random_range(500..4000))).await;
        let Some((change, name)) = changes.choose(&mut rng) else { break };
        *books.open().faults.entry(name).or_default() += 1;
        gateway.reload(endpoints, *change).await?;
    }
    gateway.reload(endpoints, Change::None).await
}
