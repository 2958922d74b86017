//! The ways of calling.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper::body::Body;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use tower::{Service, ServiceExt};
use tower_http_retry::{
    Concrete, Exponential, NoPace, Pace, ReplayBody, Retry, RetryAfterFirst, RetryLayer, WithPace,
};
use tower_layer::Layer;

use crate::run::Plan;
use crate::server::REQUEST_ID;

/// A way of calling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
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

impl Way {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::NoRetry, Self::Naive, Self::Ours, Self::Paced, Self::SlowStart];

    /// As the table names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoRetry => "no retry",
            Self::Naive => "naive, 13 tries",
            Self::Ours => "ours",
            Self::Paced => "ours, paced",
            Self::SlowStart => "ours, slow start",
        }
    }
}

const NAIVE_TRIES: u32 = 13;

type HyperClient<B> = Client<HttpConnector, B>;

/// A client that calls one server in one way.
#[derive(Clone)]
pub(crate) struct Caller {
    server: SocketAddr,
    client: Kind,
}

#[derive(Clone)]
enum Kind {
    Plain { client: HyperClient<Empty<Bytes>>, tries: u32 },
    Layered(Layered<NoPace>),
    Paced(Layered<WithPace>),
}

type Layered<G> = Retry<HyperClient<ReplayBody<Empty<Bytes>>>, RetryAfterFirst<Exponential>, Concrete, G>;

impl Caller {
    pub(crate) fn new(way: Way, server: SocketAddr, plan: &Plan) -> Self {
        let plain = |tries| Kind::Plain { client: hyper_client(), tries };
        let paced =
            |pace| Kind::Paced(RetryLayer::default().pace(pace).seed(plan.seed).layer(hyper_client()));
        let client = match way {
            Way::NoRetry => plain(1),
            Way::Naive => plain(NAIVE_TRIES),
            Way::Ours => Kind::Layered(
                RetryLayer::default().attempts(plan.attempts).seed(plan.seed).layer(hyper_client()),
            ),
            Way::Paced => paced(Pace::per_authority()),
            Way::SlowStart => paced(Pace::per_authority().slow_start()),
        };
        Self { server, client }
    }

    /// Whether the request was served in the end.
    pub(crate) async fn call(&mut self, id: u32) -> anyhow::Result<bool> {
        let request =
            Request::get(format!("http://{}/", self.server)).header(REQUEST_ID, id).body(Empty::new())?;
        match &mut self.client {
            Kind::Layered(client) => served(client, request).await,
            Kind::Paced(client) => served(client, request).await,
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
