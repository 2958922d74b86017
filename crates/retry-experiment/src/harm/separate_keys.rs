//! Requests whose key is not the one that is throttled.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::ensure;
use bytes::Bytes;
use http::Request;
use http::header::AUTHORIZATION;
use http_body_util::Full;
use tokio::task::JoinSet;
use tower_http_retry::Pace;
use tower_http_retry::pace::SharedPace;

use super::case::layer;
use super::figure::Bound::Seconds;
use super::figure::{Figure, Measure};
use super::load::{LoadResult, request};
use super::proxy::{ProxyKey, ProxyPace, StartProxy};
use super::server::{HarmServer, THROTTLED};
use super::server_model::{Refuses, ServerSettings};
use crate::caller::Caller;

/// The keys of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SeparateKeys {
    /// Each path is a key, and the table has room for the throttled ones.
    FullTable,
    /// Each credential is a key.
    Tenants,
    /// Each path is a key.
    TwoModels,
}

/// The requests with each throttled key, which come at once.
const THROTTLED_REQUESTS: u32 = 10;
/// The requests with the other key come after this time, when those with the throttled keys wait.
const OTHERS_AFTER: Duration = Duration::from_millis(700);
/// The requests with the other key, one after the other.
const OTHERS: u32 = 20;
const OTHERS_INTERVAL: Duration = Duration::from_millis(50);

impl SeparateKeys {
    /// Plays the row.
    pub(super) async fn play(self, row: &str, proxy: Option<&StartProxy>) -> anyhow::Result<Vec<Figure>> {
        let (no_pace, paced) = match proxy {
            None => (self.send(None).await?, self.send(Some(self.pace().into())).await?),
            Some(start) => {
                let pace = Some(self.proxy_pace());
                (self.send_through(start, None).await?, self.send_through(start, pace).await?)
            }
        };
        let measure = Measure::Percentile(100);
        let (no_pace, paced) = (measure.of(&no_pace), measure.of(&paced));
        let must = Seconds(0.1).beside(no_pace.time);
        Ok(vec![Figure { name: format!("{row}: {measure}"), no_pace, paced, must, aim: None }])
    }

    fn throttled_keys(self) -> u32 {
        match self {
            Self::FullTable => 4,
            Self::Tenants | Self::TwoModels => 1,
        }
    }

    fn pace(self) -> Pace {
        match self {
            Self::FullTable => Pace::per(|head| head.path().to_owned()).keys(self.throttled_keys() as usize),
            Self::Tenants => Pace::per_credential(),
            Self::TwoModels => Pace::per(|head| head.path().to_owned()),
        }
    }

    fn proxy_pace(self) -> ProxyPace {
        match self {
            Self::FullTable => ProxyPace {
                keys: Some(self.throttled_keys() as usize),
                ..ProxyPace::new(ProxyKey::CredentialAndModel)
            },
            Self::Tenants => ProxyPace::new(ProxyKey::Credential),
            Self::TwoModels => ProxyPace::new(ProxyKey::CredentialAndModel),
        }
    }

    /// Sends the requests through a layer, and returns what came of those with the other key.
    async fn send(self, pace: Option<SharedPace>) -> anyhow::Result<LoadResult> {
        let server = HarmServer::start(ServerSettings::new(Refuses::Throttled)).await?;
        let address = server.address();
        let caller = Caller::layered(layer(), pace.clone(), move |id| self.request(address, id));
        self.send_by(&caller, pace).await
    }

    /// Sends the requests once through a proxy, and returns what came of those with the other key.
    async fn send_through(self, start: &StartProxy, pace: Option<ProxyPace>) -> anyhow::Result<LoadResult> {
        let server = HarmServer::start(ServerSettings::new(Refuses::Throttled)).await?;
        let proxy = start(server.address(), pace).await?;
        let address = proxy.address();
        self.send_by(&Caller::plain(1, move |id| self.request(address, id)), None).await
    }

    /// Returns the request with a number. Those with the throttled keys come first, and one with the other key is next.
    fn request(self, address: SocketAddr, id: u32) -> http::Result<Request<Full<Bytes>>> {
        let keys = self.throttled_keys();
        let key = match id % (keys + 1) {
            key if key < keys => format!("{THROTTLED}-{key}"),
            _ => "other".to_owned(),
        };
        let request = match self {
            Self::Tenants => Request::get(format!("http://{address}/")).header(AUTHORIZATION, key),
            Self::FullTable | Self::TwoModels => Request::get(format!("http://{address}/models/{key}")),
        };
        request.body(Full::default())
    }

    async fn send_by(self, caller: &Caller, pace: Option<SharedPace>) -> anyhow::Result<LoadResult> {
        let keys = self.throttled_keys();
        // Dropping the set ends its requests.
        let mut throttled = JoinSet::new();
        let ids = |count| (0..count).map(move |number| number * (keys + 1));
        for id in ids(THROTTLED_REQUESTS).flat_map(|id| id..id + keys) {
            throttled.spawn(request(caller.clone(), id));
        }
        tokio::time::sleep(OTHERS_AFTER).await;
        if let Some(pace) = &pace {
            ensure!(pace.waiting() > 0, "no request waits for the pace");
        }
        let started_at = Instant::now();
        let mut requests = Vec::new();
        for id in ids(OTHERS).map(|id| id + keys) {
            requests.push(request(caller.clone(), id).await?);
            tokio::time::sleep(OTHERS_INTERVAL).await;
        }
        if let (Self::FullTable, Some(pace)) = (self, &pace) {
            ensure!(pace.unpaced() > 0, "the table of keys was not full");
        }
        Ok(LoadResult { requests, time: started_at.elapsed() })
    }
}
