//! The real layer, on tokio's paused clock, comes to the same as the simulator.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderName, Request, Response};
use http_body_util::Empty;
use retry_sim::grid::{Family, Model, ModelRequest, Run, Scenario, Setting, Strategy, run};
use tokio::time::{Instant, sleep, sleep_until};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_http_retry::{ReplayBody, RetryLayer};

/// The draws. All refusals have hints, because the layer draws another backoff than the simulator. Keys are cold, because
/// only the simulator can warm them up. A burst's hint is short, because one refused call more or less in a search adds a whole
/// hint to the time. Round trips are long enough for tokio's timers, which ring in whole milliseconds.
const DRAWS: &[(&str, &[&str])] = &[
    ("burst-cold", &["requests=200", "rate=40", "burst=20", "hint=1", "round_trip=40ms"]),
    ("bucket-over", &["rate=60", "time=15s", "load=1.4", "arrivals=poisson", "key=cold", "round_trip=40ms"]),
    ("sliding", &["count=50", "window=4s", "load=closed", "workers=40", "key=cold", "round_trip=50ms"]),
    ("lifted", &["rate=20", "lifted_at=8s", "queue=yes", "queued=150", "key=cold", "round_trip=40ms"]),
    ("requests-announced", &["count=40", "window=10s", "announces=openai", "key=cold", "round_trip=30ms"]),
    ("noise-5", &["rate=80", "time=20s", "with_hint=yes", "load=closed", "key=cold", "round_trip=60ms"]),
];

#[tokio::test(start_paused = true)]
async fn the_layer_agrees_with_the_simulator_within_5_percent() {
    let mut differences = Vec::new();
    for (name, settings) in DRAWS {
        let scenario = scenario(name, settings);
        let simulated = Run::new(run(&scenario, Strategy::Pace, SEED), &scenario).figures;
        let (seconds, refused) = Callers::new(&scenario).play(&scenario).await;
        let text = format!("{name}: {seconds:.3} s and {refused} refused; ");
        let text = text + &format!("the simulator: {:.3} s and {}", simulated.time, simulated.refused);
        // A timer that rings up to a millisecond late changes the order of a few calls, and how many of them a trial sends. The
        // callers are not woken for less than a tick either.
        let is_near = |value: f64, expected: f64, least: f64| {
            (value - expected).abs() <= (TOLERANCE * expected).max(least)
        };
        let is_near = is_near(seconds, simulated.time, 0.02)
            && is_near(f64::from(refused), simulated.refused as f64, 5.0);
        if !is_near {
            differences.push(text);
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn scenario(family: &str, settings: &[&str]) -> Scenario {
    let settings = settings.iter().filter_map(|setting| setting.split_once('='));
    let settings = settings.map(|(name, value)| Setting { name: name.into(), value: value.into() });
    let (case, _) = Family::named(family).unwrap().draw(SEED, &settings.collect::<Vec<_>>()).unwrap();
    assert!(!case.scenario.warm, "{family}: the key is warm");
    case.scenario
}

/// The callers of a scenario.
struct Callers<'a> {
    model: RefCell<Model<'a>>,
    start: Instant,
    /// Each request that came, and the number of its calls.
    requests: RefCell<Vec<(ModelRequest, u32)>>,
    refused: Cell<u32>,
    last_answer: Cell<Duration>,
}

impl<'a> Callers<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        Self {
            model: RefCell::new(Model::new(scenario, SEED)),
            start: Instant::now(),
            requests: RefCell::default(),
            refused: Cell::default(),
            last_answer: Cell::default(),
        }
    }

    /// Sends all requests through the layer. Returns the time from the first request to the last answer in seconds, and the
    /// number of refused calls.
    async fn play(&self, scenario: &Scenario) -> (f64, u32) {
        let layer = RetryLayer::default()
            .max_attempts(scenario.max_attempts)
            .max_elapsed(scenario.max_elapsed)
            .budget(None)
            .seed(SEED)
            .pace(scenario.pace(false));
        let client = layer.layer(service_fn(|request| self.call(request)));
        let first = self.model.borrow_mut().first();
        let started = first.iter().map(ModelRequest::arrived).min().unwrap_or_default();
        join_all(first.into_iter().map(|request| self.send_all(client.clone(), request))).await;
        ((self.last_answer.get() - started).as_secs_f64(), self.refused.get())
    }

    /// Sends a request, and those that follow it in a closed loop.
    async fn send_all(&self, client: impl Service<Request<Empty<Bytes>>> + Clone, first: ModelRequest) {
        let mut next = Some(first);
        while let Some(request) = next {
            sleep_until(self.start + request.arrived()).await;
            let number = self.requests.borrow().len();
            self.requests.borrow_mut().push((request, 0));
            let mut head = request.head().map(|()| Empty::new());
            head.headers_mut().insert(NUMBER, number.into());
            // A request that is refused in the end, or rejected by the pace, is one that both should have.
            let _ = client.clone().oneshot(head).await;
            self.last_answer.set(self.start.elapsed());
            next = self.model.borrow_mut().next(&request, self.start.elapsed());
        }
    }

    /// Takes a call to the server and its answer back.
    async fn call(
        &self,
        call: Request<ReplayBody<Empty<Bytes>>>,
    ) -> Result<Response<Empty<Bytes>>, Infallible> {
        let number: usize = call.headers()[NUMBER].to_str().unwrap().parse().unwrap();
        let (request, attempt) = {
            let (request, calls) = &mut self.requests.borrow_mut()[number];
            *calls += 1;
            (*request, *calls)
        };
        let transit = self.model.borrow().to_server(&request, attempt);
        sleep(transit).await;
        let reply = self.model.borrow_mut().arrive(&request, attempt, self.start.elapsed());
        self.refused.set(self.refused.get() + u32::from(!reply.is_served));
        sleep(reply.delay).await;
        Ok(reply.head.map(|()| Empty::new()))
    }
}

const SEED: u64 = 1;
const TOLERANCE: f64 = 0.05;
/// The header by which the server knows a request again.
const NUMBER: HeaderName = HeaderName::from_static("x-number");
