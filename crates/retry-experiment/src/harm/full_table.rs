//! A table of keys that are all in use, and requests with one more key.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::ensure;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tokio::task::JoinSet;
use tower_http_retry::Pace;
use tower_http_retry::pace::SharedPace;

use super::case::layer;
use super::figure::Bound::Seconds;
use super::figure::{Figure, Measure};
use super::load::{LoadResult, RequestResult, one_after_the_other, request};
use super::proxy::{ProxyKey, ProxyPace, StartProxy};
use super::server::{HarmServer, THROTTLED};
use super::server_model::{Refuses, ServerSettings};
use crate::caller::Caller;

/// The keys of a layer's table, which is as large as it is by default.
const KEYS: u32 = 10_000;
/// The keys of a proxy's table. Each request that waits takes two open files.
const KEYS_OF_PROXY: u32 = 4_000;
/// The requests that come at a time, and the pause behind them, so that few connections are open to the server at a time.
const AT_A_TIME: u32 = 100;
const PAUSE: Duration = Duration::from_millis(30);
/// The seconds that a refusal names, so that each key has a request that waits for longer than the row takes.
const HINT: u32 = 20;

/// Plays the row. Without a pace there is no table to be full.
pub(super) async fn play(row: &str, proxy: Option<&StartProxy>) -> anyhow::Result<Vec<Figure>> {
    let (no_pace, paced) = match proxy {
        None => (send(None).await?, send(Some(pace().into())).await?),
        Some(start) => (send_through(start, None).await?, send_through(start, Some(proxy_pace())).await?),
    };
    let measure = Measure::Percentile(100);
    let (no_pace, paced) = (measure.of(&no_pace), measure.of(&paced));
    let must = Seconds(0.1).beside(no_pace.time);
    Ok(vec![Figure { name: format!("{row}: {measure}"), no_pace, paced, must, aim: None }])
}

fn pace() -> Pace {
    Pace::per(|head| head.path().to_owned()).keys(KEYS as usize)
}

fn proxy_pace() -> ProxyPace {
    ProxyPace { keys: Some(KEYS_OF_PROXY as usize), ..ProxyPace::new(ProxyKey::CredentialAndModel) }
}

/// Sends the requests through a layer, and returns what came of those with the other key.
async fn send(pace: Option<SharedPace>) -> anyhow::Result<LoadResult> {
    let server = HarmServer::start(settings()).await?;
    let address = server.address();
    let caller = Caller::layered(layer(), pace.clone(), move |id| request_to(address, id));
    let waiting = if pace.is_some() { fill(&caller, KEYS).await } else { JoinSet::new() };
    let result = one_after_the_other(&caller, KEYS).await;
    ensure!(pace.is_none_or(|pace| pace.unpaced() > 0), "the table of keys was not full");
    drop(waiting);
    result
}

/// Sends the requests through a proxy, and returns what came of those with the other key.
async fn send_through(start: &StartProxy, pace: Option<ProxyPace>) -> anyhow::Result<LoadResult> {
    let server = HarmServer::start(settings()).await?;
    let proxy = start(server.address(), pace).await?;
    let address = proxy.address();
    let caller = Caller::plain(1, move |id| request_to(address, id));
    let waiting = if pace.is_some() { fill(&caller, KEYS_OF_PROXY).await } else { JoinSet::new() };
    let result = one_after_the_other(&caller, KEYS).await;
    drop(waiting);
    result
}

fn settings() -> ServerSettings {
    ServerSettings { hint: Some(HINT), ..ServerSettings::new(Refuses::Throttled) }
}

/// Sends a request with each throttled key. Each is refused, and waits for its hint, until the set is dropped.
async fn fill(caller: &Caller, keys: u32) -> JoinSet<anyhow::Result<RequestResult>> {
    let mut waiting = JoinSet::new();
    for id in 0..keys {
        waiting.spawn(request(caller.clone(), id));
        if id % AT_A_TIME == 0 {
            tokio::time::sleep(PAUSE).await;
        }
    }
    tokio::time::sleep(PAUSE).await;
    waiting
}

/// Returns the request with a number. From [`KEYS`] on they have the other key.
fn request_to(address: SocketAddr, id: u32) -> http::Result<Request<Full<Bytes>>> {
    let key = if id < KEYS { format!("{THROTTLED}-{id}") } else { "other".to_owned() };
    Request::get(format!("http://{address}/models/{key}")).body(Full::default())
}
