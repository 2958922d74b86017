//! The requests, the server and the network of a scenario, for callers outside of the engine.

use std::time::Duration;

use http::{Request, Response};

use super::Scenario;
use super::draws::Draws;
use super::driver::request_head;
use super::load::{ArrivingRequest, RequestSource};
use super::network::{Network, wall_at_start};
use super::server::{Call, Server};

/// The world that [`run`](super::run()) plays a scenario in, for callers that have a clock of their own.
///
/// The same seed gives the same requests, delays and luck as `run` meets. Time counts from the start of the scenario.
#[derive(Debug)]
pub struct Model<'a> {
    source: RequestSource<'a>,
    network: Network,
    server: Server<'a>,
}

/// One request of a scenario.
#[derive(Clone, Copy, Debug)]
pub struct ModelRequest(ArrivingRequest);

/// The server's answer to one call.
#[derive(Debug)]
pub struct ModelReply {
    /// Its head.
    pub head: Response<()>,
    /// `true` if the call is served.
    pub is_served: bool,
    /// The time from the arrival of the call at the server to the arrival of the head at the caller.
    pub delay: Duration,
}

impl<'a> Model<'a> {
    /// Creates the world of a scenario.
    pub fn new(scenario: &'a Scenario, seed: u64) -> Self {
        let draws = Draws::new(seed);
        Self {
            source: RequestSource::new(scenario, draws),
            network: Network::new(scenario, draws),
            server: Server::new(&scenario.server, scenario.keys(), wall_at_start(), draws),
        }
    }

    /// Returns the requests that come whatever happens, in the order of time: all of the open loads, and the first one of
    /// each worker of a closed loop.
    pub fn first(&mut self) -> Vec<ModelRequest> {
        self.source.first().into_iter().map(ModelRequest).collect()
    }

    /// Returns the next request of the worker that is done with `request` at `now`, if it is of a closed loop with requests
    /// left.
    pub fn next(&mut self, request: &ModelRequest, now: Duration) -> Option<ModelRequest> {
        self.source.next(request.0.tenant, now).map(ModelRequest)
    }

    /// Returns the time that a call takes to the server. The first attempt has the number 1.
    pub fn to_server(&self, request: &ModelRequest, attempt: u32) -> Duration {
        self.network.to_server(request.0.identity, attempt)
    }

    /// Answers a call that reaches the server now. Calls arrive in the order of time.
    pub fn arrive(&mut self, request: &ModelRequest, attempt: u32, now: Duration) -> ModelReply {
        let ArrivingRequest { identity, key, cost, is_poison, .. } = request.0;
        let reply = self.server.arrive(now, &Call { request: identity, attempt, key, cost, is_poison });
        let delay = reply.service.saturating_add(self.network.to_caller(identity, attempt));
        ModelReply { head: (*reply.response).clone(), is_served: reply.is_served, delay }
    }
}

impl ModelRequest {
    /// Returns the time at which it comes.
    pub fn arrived(&self) -> Duration {
        self.0.arrived
    }

    /// Returns its head, which has the headers that the pace of [`Scenario::pace`] reads.
    pub fn head(&self) -> Request<()> {
        request_head(self.0.tenant, self.0.cost)
    }
}
