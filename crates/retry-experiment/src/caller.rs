//! The strategies of calling.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper::body::Body;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use tower::{Service, ServiceExt};
use tower_http_retry::markers::{Concrete, Paced, Unpaced};
use tower_http_retry::pace::SharedPace;
use tower_http_retry::{Pace, ReplayBody, Retry, RetryAfterFirst, RetryLayer};
use tower_layer::Layer;

use crate::plan::Plan;
use crate::server::REQUEST_ID;

/// A strategy of a client that calls the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Once, whatever comes back.
    NoRetry,
    /// Up to 13 times, at once.
    Naive,
    /// Through a `RetryLayer` with its defaults, but for the attempts of the plan.
    Ours,
    /// Through a `RetryLayer` with its defaults and a pace.
    Paced,
    /// The same, with a slow start.
    SlowStart,
}

impl Strategy {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::NoRetry, Self::Naive, Self::Ours, Self::Paced, Self::SlowStart];
}

/// As the table names it.
impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoRetry => "no retry",
            Self::Naive => "naive, 13 tries",
            Self::Ours => "ours",
            Self::Paced => "ours, paced",
            Self::SlowStart => "ours, slow start",
        })
    }
}

/// How often a naive client tries.
pub const NAIVE_TRIES: u32 = 13;

type HyperClient<B> = Client<HttpConnector, B>;

/// Makes the request with this number.
type Make = dyn Fn(u32) -> http::Result<Request<Full<Bytes>>> + Send + Sync;

/// A client that makes requests of one kind with one strategy.
#[derive(Clone)]
pub struct Caller {
    make: Arc<Make>,
    client: Kind,
}

#[derive(Clone)]
enum Kind {
    Plain { client: HyperClient<Full<Bytes>>, tries: u32 },
    Layered(Layered<Unpaced>),
    Paced(Layered<Paced>),
}

type Layered<G> = Retry<HyperClient<ReplayBody<Full<Bytes>>>, RetryAfterFirst, Concrete, G>;

impl Caller {
    /// Calls a server in one of the experiment's strategies.
    pub(crate) fn new(strategy: Strategy, server: SocketAddr, plan: &Plan) -> Self {
        let plain = |tries| Kind::Plain { client: hyper_client(), tries };
        let paced =
            |pace| Kind::Paced(RetryLayer::default().pace(pace).seed(plan.seed).layer(hyper_client()));
        let client = match strategy {
            Strategy::NoRetry => plain(1),
            Strategy::Naive => plain(NAIVE_TRIES),
            Strategy::Ours => Kind::Layered(
                RetryLayer::default().max_attempts(plan.attempts).seed(plan.seed).layer(hyper_client()),
            ),
            Strategy::Paced => paced(Pace::per_authority()),
            Strategy::SlowStart => paced(Pace::per_authority().slow_start()),
        };
        let make = move |_| Request::get(format!("http://{server}/")).body(Full::default());
        Self { make: Arc::new(make), client }
    }

    /// Makes a request of each number, up to so many times, at once, whatever the answers ask for. The header by
    /// which the server knows a request again is added.
    pub fn plain(
        tries: u32,
        make: impl Fn(u32) -> http::Result<Request<Full<Bytes>>> + Send + Sync + 'static,
    ) -> Self {
        Self { make: Arc::new(make), client: Kind::Plain { client: hyper_client(), tries } }
    }

    /// Makes a request of each number, and sends it through a layer, with a pace or without.
    pub(crate) fn layered(
        layer: RetryLayer,
        pace: Option<SharedPace>,
        make: impl Fn(u32) -> http::Result<Request<Full<Bytes>>> + Send + Sync + 'static,
    ) -> Self {
        let client = match pace {
            Some(pace) => Kind::Paced(layer.pace(pace).layer(hyper_client())),
            None => Kind::Layered(layer.layer(hyper_client())),
        };
        Self { make: Arc::new(make), client }
    }

    /// Whether the request was served in the end.
    pub(crate) async fn call(&mut self, id: u32) -> anyhow::Result<bool> {
        let mut request = (self.make)(id)?;
        request.headers_mut().insert(REQUEST_ID, id.into());
        match &mut self.client {
            Kind::Layered(client) => served(client, request).await,
            Kind::Paced(client) => match client.ready().await?.call(request).await {
                Ok(response) => Ok(response.status() == StatusCode::OK),
                Err(error) if error.is_rejected() => Ok(false),
                Err(error) => Err(error.into()),
            },
            Kind::Plain { client, tries } => {
                for _ in 1..*tries {
                    if served(client, request.clone()).await? {
                        return Ok(true);
                    }
                }
                served(client, request).await
            }
        }
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").finish_non_exhaustive()
    }
}

fn hyper_client<B>() -> HyperClient<B>
where
    B: Body<Data = Bytes> + Send,
{
    Client::builder(TokioExecutor::new()).build_http()
}

async fn served<S, B, R>(client: &mut S, request: Request<B>) -> anyhow::Result<bool>
where
    S: Service<Request<B>, Response = http::Response<R>>,
    S::Error: std::error::Error + Send + Sync + 'static,
{
    let response = client.ready().await?.call(request).await?;
    Ok(response.status() == StatusCode::OK)
}
