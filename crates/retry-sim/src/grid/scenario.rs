//! A scenario of the grid: the server, the network, the load and the callers of one draw, as plain data.

use std::time::Duration;

/// One situation, which the grid plays with each strategy.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// The server's behaviour.
    pub server: ServerSpec,
    /// The requests.
    pub load: Load,
    /// The mean round trip without the server's own time.
    pub round_trip: Duration,
    /// The jitter of each direction as a share of its time: it takes `round_trip / 2 x (1 ± jitter)`, uniformly.
    pub jitter: f64,
    /// The largest number of attempts of a request.
    pub max_attempts: u32,
    /// The longest time from a request's arrival to the start of its last attempt.
    pub max_elapsed: Option<Duration>,
    /// `true` if the key met its limit a minute before: twice as many callers as the limit serves come first, until some calls
    /// were served after a refusal, and a rest of 60 s follows.
    pub warm: bool,
    /// Misbehaviour of some of the callers.
    pub callers: CallerFaults,
}

impl Scenario {
    /// Returns the same scenario with callers that behave. Where each tenant has a key of its own, the first one overruns its limit,
    /// so it sends nothing.
    pub fn without_faults(&self) -> Self {
        let mut clean = Self { callers: CallerFaults::default(), ..self.clone() };
        if let Some(first) = clean.load.tenants.first_mut().filter(|_| clean.load.key_per_tenant) {
            first.arrivals = Arrivals::Poisson { phases: Vec::new() };
        }
        clean
    }
}

/// The requests of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// One stream of requests for each tenant.
    pub tenants: Vec<TenantLoad>,
    /// `true` if each tenant has a key of its own. Otherwise all share one, and the pace is fair by tenant.
    pub key_per_tenant: bool,
}

/// The requests of one tenant.
#[derive(Clone, Debug, PartialEq)]
pub struct TenantLoad {
    /// Their arrivals.
    pub arrivals: Arrivals,
    /// The cost of a request in units: each draws from `1..=max_cost`, log-uniformly.
    pub max_cost: u32,
}

/// The arrivals of requests.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrivals {
    /// `requests` at once, at time 0.
    Burst {
        /// Their number.
        requests: u32,
    },
    /// `requests` in all by `workers`, each of which takes the next one when its own is done.
    Closed {
        /// Their number.
        requests: u32,
        /// The number of workers.
        workers: u32,
    },
    /// Poisson arrivals, in phases that follow each other.
    Poisson {
        /// The rate of each phase a second, and its length.
        phases: Vec<(f64, Duration)>,
    },
}

/// The behaviour of a server: a limit, a schedule of changes, refusals that have nothing to do with load, and how it
/// answers.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerSpec {
    /// The limit in force from each moment on. The first is at time 0. A key has a limit of its own.
    pub limits: Vec<(Duration, Limit)>,
    /// The median time for a served request.
    pub service: Duration,
    /// The sigma of its log-normal distribution; 0 for a fixed time. Refusals take no service time.
    pub service_sigma: f64,
    /// The hint of a refusal by the limit.
    pub hint: HintSpec,
    /// Refusals at random, whatever the load.
    pub noise: Option<Noise>,
    /// One request in this many is always refused with 429, however often it is sent.
    pub poison_one_in: Option<u32>,
    /// This share of requests is always refused besides, at random.
    pub poison_share: f64,
    /// The hint of a poisoned request's refusal.
    pub poison_hint: Option<Duration>,
    /// Each request is refused with 429 this many times before the limit is asked. The hint is that of `hint`, or none.
    pub refused_first: u32,
    /// A time in which nothing is served.
    pub outage: Option<Outage>,
    /// The announcement in each answer.
    pub announces: Announces,
}

/// A rule by which a server serves or refuses.
#[derive(Clone, Debug, PartialEq)]
pub enum Limit {
    /// It serves all.
    None,
    /// A token bucket.
    Bucket {
        /// The tokens that it earns in a second.
        per_second: f64,
        /// The tokens that it holds.
        burst: f64,
    },
    /// GCRA (a virtual-scheduling leaky bucket), which holds `burst` at once.
    Gcra {
        /// The calls that it serves in a second.
        per_second: f64,
        /// The calls that it serves at once.
        burst: f64,
    },
    /// At most `count` in any span of `window`.
    Sliding {
        /// The largest number of calls.
        count: u32,
        /// The length of a span.
        window: Duration,
        /// `true` if refused calls fill it as well.
        counts_refused: bool,
    },
    /// At most `count` in each span of `window` from time 0 on.
    Fixed {
        /// The largest number of calls.
        count: u32,
        /// The length of a span.
        window: Duration,
    },
    /// At most `limit` in flight at a time.
    Concurrent {
        /// The largest number of calls.
        limit: u32,
    },
    /// A bucket of requests and one of units. Both must have room.
    Quotas {
        /// The quota of requests, if there is one.
        requests: Option<Quota>,
        /// The quota of units, if there is one.
        units: Option<Quota>,
    },
}

/// A token bucket that refills from 0 to `limit` within `window`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quota {
    /// The bucket's size.
    pub limit: u32,
    /// The time for a full refill.
    pub window: Duration,
}

/// The hint of a refusal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum HintSpec {
    /// No hint.
    None,
    /// `Retry-After` in whole seconds: the time until the limit would serve one more, rounded up, and at least this.
    Seconds {
        /// The shortest hint.
        at_least: u64,
    },
    /// `Retry-After` in whole seconds, always the same.
    Fixed {
        /// The hint.
        seconds: u64,
    },
    /// `retry-after-ms`: the exact time until one more would be served.
    Milliseconds,
    /// The true time multiplied by a factor (below 1: too short, above 1: too long), in whole seconds, at least 1.
    Scaled {
        /// The factor.
        factor: f64,
    },
}

/// Refusals that have nothing to do with load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// The share of calls that are refused, 0 to 1.
    pub share: f64,
    /// 429, 503 or 529.
    pub status: u16,
    /// The `Retry-After` of such a refusal, in whole seconds.
    pub hint: Option<u64>,
}

/// A time in which the server serves nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outage {
    /// Its start.
    pub from: Duration,
    /// Its end.
    pub to: Duration,
    /// 503 or 529 (or 429 for a window).
    pub status: u16,
    /// The `Retry-After` of its answers, in whole seconds.
    pub hint: Option<u64>,
}

/// The announcement of quotas in the head of each answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announces {
    /// Nothing.
    Nothing,
    /// OpenAI's `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`: the reset is the time until full again, a Go
    /// duration.
    OpenAi,
    /// Anthropic's `anthropic-ratelimit-{requests,input-tokens}-{limit,remaining,reset}`: the reset is when it is full
    /// again, as RFC 3339, and tokens are rounded to 1 % of the limit.
    Anthropic,
    /// IETF `RateLimit` and `RateLimit-Policy`: the reset is the end of a window.
    Ietf,
}

/// Misbehaviour of callers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CallerFaults {
    /// The share of waiting callers that are never polled again once they wait in the queue, but keep their place.
    pub unpolled: f64,
    /// The share of callers that are dropped at a random time of up to 5 s after they came, at whatever they do then.
    pub dropped: f64,
    /// The share of responses whose body is never read. (The head has been settled by then.)
    pub stalled: f64,
}
