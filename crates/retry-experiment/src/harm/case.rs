//! A server and a load, with the bounds of what is measured.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use tower_http_retry::pace::SharedPace;
use tower_http_retry::{Pace, RetryLayer};

use super::figure::{Bound, Figure, Measure};
use super::load::{HarmLoad, LoadResult, send};
use super::proxy::{MAX_ATTEMPTS, ProxyKey, ProxyPace, StartProxy};
use super::server::HarmServer;
use super::server_model::{Refuses, ServerSettings};
use crate::caller::Caller;

/// A server, a load and the bounds.
#[derive(Clone, Debug)]
pub(super) struct Case {
    server: ServerSettings,
    load: HarmLoad,
    has_slow_start: bool,
    bounds: Vec<(Measure, Bound, Option<Bound>)>,
}

/// Returns the layer of all rows. Only the pace and the number of attempts hold its resends back.
pub(super) fn layer() -> RetryLayer {
    RetryLayer::default().max_attempts(MAX_ATTEMPTS).budget(None).seed(1)
}

impl Case {
    /// Creates a case whose server answers at once, and refuses with 429 and `Retry-After: 1`.
    pub(super) fn new(refuses: Refuses, load: HarmLoad) -> Self {
        let server = ServerSettings::new(refuses);
        Self { server, load, has_slow_start: false, bounds: Vec::new() }
    }

    /// Lets each served call take so many milliseconds.
    pub(super) fn service_time(mut self, millis: u64) -> Self {
        self.server.service_time = Duration::from_millis(millis);
        self
    }

    /// Sets the status of refusals, and whether they have a hint.
    pub(super) fn refusal(mut self, status: u16, has_hint: bool) -> anyhow::Result<Self> {
        self.server.status = StatusCode::from_u16(status)?;
        self.server.hint = has_hint.then_some(1);
        Ok(self)
    }

    /// Lets the pace start slowly.
    pub(super) fn slow_start(self) -> Self {
        Self { has_slow_start: true, ..self }
    }

    /// Adds a measure with its bound and aim.
    pub(super) fn bound(mut self, measure: Measure, must: Bound, aim: impl Into<Option<Bound>>) -> Self {
        self.bounds.push((measure, must, aim.into()));
        self
    }

    /// Plays the case without a pace and with one.
    pub(super) async fn play(self, row: &str, proxy: Option<&StartProxy>) -> anyhow::Result<Vec<Figure>> {
        let (no_pace, paced) = match proxy {
            None => (self.send(None).await?, self.send(Some(self.pace())).await?),
            Some(start) => {
                let pace =
                    ProxyPace { slow_start: self.has_slow_start, ..ProxyPace::new(ProxyKey::Upstream) };
                (self.send_through(start, None).await?, self.send_through(start, Some(pace)).await?)
            }
        };
        let figures = self.bounds.iter().map(|&(measure, must, aim)| {
            let no_pace = measure.of(&no_pace);
            let bound = |bound: Bound| bound.beside(no_pace.time);
            let name = format!("{row}: {measure}");
            Figure { name, no_pace, paced: measure.of(&paced), must: bound(must), aim: aim.map(bound) }
        });
        Ok(figures.collect())
    }

    fn pace(&self) -> SharedPace {
        match self.has_slow_start {
            true => Pace::per_authority().slow_start().into(),
            false => Pace::per_authority().into(),
        }
    }

    /// Sends the load through a layer, and returns what came of the requests that can be served.
    async fn send(&self, pace: Option<SharedPace>) -> anyhow::Result<LoadResult> {
        let server = HarmServer::start(self.server).await?;
        self.send_by(&Caller::layered(layer(), pace, request_to(server.address()))).await
    }

    /// Sends the load once through a proxy, and returns what came of the requests that can be served.
    async fn send_through(&self, start: &StartProxy, pace: Option<ProxyPace>) -> anyhow::Result<LoadResult> {
        let server = HarmServer::start(self.server).await?;
        let proxy = start(server.address(), pace).await?;
        self.send_by(&Caller::plain(1, request_to(proxy.address()))).await
    }

    async fn send_by(&self, caller: &Caller) -> anyhow::Result<LoadResult> {
        let mut result = send(caller, self.load).await?;
        result.requests.retain(|request| self.server.refuses.can_be_served(request.id));
        Ok(result)
    }
}

fn request_to(
    address: SocketAddr,
) -> impl Fn(u32) -> http::Result<Request<Full<Bytes>>> + Send + Sync + 'static {
    move |_| Request::get(format!("http://{address}/")).body(Full::default())
}
