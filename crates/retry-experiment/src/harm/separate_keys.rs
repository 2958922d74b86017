//! Requests whose key is not the one that is throttled.

use std::net::SocketAddr;
use std::time::Duration;

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
use super::load::{LoadResult, one_after_the_other, request};
use super::proxy::{MODEL_HEADER, ProxyKey, ProxyPace, StartProxy};
use super::server::{HarmServer, THROTTLED};
use super::server_model::{Refuses, ServerSettings};
use crate::caller::Caller;

/// The keys of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SeparateKeys {
    /// Each `Authorization` is a key.
    Tenants,
    /// Each `x-api-key` is a key.
    ApiKeys,
    /// Each path is a key.
    TwoModels,
    /// Each value of a header is a key.
    ModelsInHeader,
}

/// The requests with the throttled key, which come at once.
const THROTTLED_REQUESTS: u32 = 10;
/// The requests with the other key come after this time, when those with the throttled key wait.
const OTHERS_AFTER: Duration = Duration::from_millis(700);

impl SeparateKeys {
    /// Plays the row.
    pub(super) async fn play(self, row: &str, proxy: Option<&StartProxy>) -> anyhow::Result<Vec<Figure>> {
        let (no_pace, paced) = match proxy {
            None => (self.send(None).await?, self.send(Some(self.pace().into())).await?),
            Some(start) => {
                let pace = Some(ProxyPace::new(self.proxy_key()));
                (self.send_through(start, None).await?, self.send_through(start, pace).await?)
            }
        };
        let measure = Measure::Percentile(100);
        let (no_pace, paced) = (measure.of(&no_pace), measure.of(&paced));
        let must = Seconds(0.1).beside(no_pace.time);
        Ok(vec![Figure { name: format!("{row}: {measure}"), no_pace, paced, must, aim: None }])
    }

    fn pace(self) -> Pace {
        match self {
            Self::Tenants | Self::ApiKeys => Pace::per_credential(),
            Self::TwoModels => Pace::per(|head| head.path().to_owned()),
            Self::ModelsInHeader => Pace::per(|head| head.header(MODEL_HEADER).map(str::to_owned)),
        }
    }

    fn proxy_key(self) -> ProxyKey {
        match self {
            Self::Tenants | Self::ApiKeys => ProxyKey::Credential,
            Self::TwoModels | Self::ModelsInHeader => ProxyKey::CredentialAndModel,
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

    /// Returns the request with a number. The first ones have the throttled key.
    fn request(self, address: SocketAddr, id: u32) -> http::Result<Request<Full<Bytes>>> {
        let key = if id < THROTTLED_REQUESTS { THROTTLED } else { "other" };
        let path = if self == Self::TwoModels { format!("/models/{key}") } else { "/".to_owned() };
        let request = Request::get(format!("http://{address}{path}"));
        let request = match self {
            Self::Tenants => request.header(AUTHORIZATION, key),
            Self::ApiKeys => request.header("x-api-key", key),
            Self::TwoModels => request,
            Self::ModelsInHeader => request.header(MODEL_HEADER, key),
        };
        request.body(Full::default())
    }

    async fn send_by(self, caller: &Caller, pace: Option<SharedPace>) -> anyhow::Result<LoadResult> {
        // Dropping the set ends its requests.
        let mut throttled = JoinSet::new();
        for id in 0..THROTTLED_REQUESTS {
            throttled.spawn(request(caller.clone(), id));
        }
        tokio::time::sleep(OTHERS_AFTER).await;
        if let Some(pace) = &pace {
            ensure!(pace.waiting() > 0, "no request waits for the pace");
        }
        one_after_the_other(caller, THROTTLED_REQUESTS).await
    }
}
