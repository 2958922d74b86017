//! Servers that announce a quota, and callers who share it in virtual time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::SystemTime;

use http::Response;

use super::*;
use crate::ResponseHead;
use crate::pace::evidence::Evidence;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Form {
    OpenAiRequests,
    OpenAiTokens,
    AnthropicTokens,
    Ietf,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Server {
    pub(super) form: Form,
    pub(super) limit: f64,
    pub(super) window: f64,
    level: f64,
    at: f64,
}

impl Server {
    pub(super) fn new(form: Form, limit: u32, window: f64) -> Self {
        Self { form, limit: f64::from(limit), window, level: f64::from(limit), at: 0.0 }
    }

    fn refill(&mut self, now: f64) {
        match self.form {
            Form::Ietf if (now / self.window).floor() > (self.at / self.window).floor() => {
                self.level = self.limit
            }
            Form::Ietf => {}
            _ => self.level = (self.level + (now - self.at) * self.limit / self.window).min(self.limit),
        }
        self.at = now;
    }

    /// The first moment at which a call of this cost is served.
    pub(super) fn free_at(mut self, now: f64, cost: f64) -> f64 {
        self.refill(now);
        match self.form {
            _ if self.level + 1e-6 >= cost => now,
            Form::Ietf => ((now / self.window).floor() + 1.0) * self.window,
            _ => now + (cost - self.level) / self.limit * self.window,
        }
    }

    pub(super) fn arrive(&mut self, now: f64, cost: f64) -> Response<()> {
        let free_at = self.free_at(now, cost);
        self.refill(now);
        let is_served = free_at <= now;
        let mut response = Response::builder();
        if is_served {
            self.level -= cost;
        } else {
            let hint = ((free_at - now).ceil() as u64).max(1);
            response = response.status(429).header("retry-after", hint);
        }
        let remaining = (self.level + 1e-6).max(0.0) as u64;
        let until_full = ((self.limit - self.level) * self.window / self.limit).max(0.0);
        let millis = format!("{}ms", (until_full * 1e3).ceil());
        response = match self.form {
            Form::OpenAiRequests => response
                .header("x-ratelimit-limit-requests", self.limit as u64)
                .header("x-ratelimit-remaining-requests", remaining)
                .header("x-ratelimit-reset-requests", millis),
            Form::OpenAiTokens => response
                .header("x-ratelimit-limit-tokens", self.limit as u64)
                .header("x-ratelimit-remaining-tokens", remaining)
                .header("x-ratelimit-reset-tokens", millis),
            Form::AnthropicTokens => {
                let unit = (self.limit as u64 / 100).max(1);
                let full_at = (START + now + until_full).ceil() as i64;
                let full_at = jiff::Timestamp::from_second(full_at).unwrap().to_string();
                response
                    .header("anthropic-ratelimit-input-tokens-limit", self.limit as u64)
                    .header(
                        "anthropic-ratelimit-input-tokens-remaining",
                        (remaining + unit / 2) / unit * unit,
                    )
                    .header("anthropic-ratelimit-input-tokens-reset", full_at)
            }
            Form::Ietf => {
                let until_end = ((now / self.window).floor() + 1.0) * self.window - now;
                response
                    .header("ratelimit", format!(r#""requests";r={remaining};t={}"#, until_end.ceil()))
                    .header(
                        "ratelimit-policy",
                        format!(r#""requests";q={};w={}"#, self.limit, self.window.ceil()),
                    )
            }
        };
        response.body(()).unwrap()
    }
}

/// The network and the load.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    pub(super) round_trip: f64,
    pub(super) jitter: f64,
    pub(super) service: f64,
    pub(super) max_cost: u32,
    pub(super) requests: usize,
    /// So many at a time, or all as they come in so many seconds.
    pub(super) load: Result<usize, f64>,
    pub(super) seed: u64,
}

#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) time: f64,
    pub(super) calls: usize,
    pub(super) refused: usize,
    pub(super) served: usize,
}

/// A pseudorandom number from 0 to 1.
fn unit(seed: u64, index: u64) -> f64 {
    let mut x = (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ index).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^= x >> 31;
    x = x.wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^= x >> 29;
    (x >> 11) as f64 / (1_u64 << 53) as f64
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Come(usize),
    Reach(usize),
    Answer(usize),
    Look,
}

/// Lets callers go through the quotas, or, as a floor, at the first moment at which the server serves them.
pub(super) fn run(mut server: Server, setting: &Setting, is_floor: bool) -> Run {
    let Setting { round_trip, jitter, service, max_cost, requests, load, seed } = *setting;
    let jitter = if is_floor { 0.0 } else { jitter };
    let costs: Vec<u32> = (0..requests)
        .map(|i| f64::from(max_cost).powf(unit(seed, i as u64)).round().max(1.0) as u32)
        .collect();
    let mut events: BinaryHeap<Reverse<(u64, u64, Event)>> = BinaryHeap::new();
    let mut serial = 0;
    let mut push = |events: &mut BinaryHeap<_>, at: f64, event| {
        serial += 1;
        events.push(Reverse(((at * 1e9).ceil() as u64, serial, event)));
    };
    let mut next = match load {
        Ok(workers) => workers.min(requests),
        Err(_) => requests,
    };
    for i in 0..next {
        let at = load.map_or_else(|span| unit(seed, 1_000_000 + i as u64) * span, |_| 0.0);
        push(&mut events, at, Event::Come(i));
    }
    let (mut quotas, mut run) = (Quotas::default(), Run::default());
    let mut queue: VecDeque<usize> = VecDeque::new();
    let mut flying: Vec<(u64, usize)> = Vec::new();
    let mut sent: Vec<(u64, Duration)> = vec![(0, Duration::ZERO); requests];
    let mut replies: Vec<Option<Response<()>>> = (0..requests).map(|_| None).collect();
    let (mut order, mut look_at) = (0, Duration::MAX);
    // Requests that are on the way to the server, as the floor counts them.
    let mut ahead = server;
    while let Some(Reverse((nanos, _, event))) = events.pop() {
        let (now, at) = (Duration::from_nanos(nanos), nanos as f64 / 1e9);
        let transit = |index: u64| round_trip / 2.0 * (1.0 + jitter * (2.0 * unit(seed, index) - 1.0));
        match event {
            Event::Come(i) => {
                if sent[i].0 > 0 {
                    queue.push_front(i)
                } else {
                    queue.push_back(i)
                }
            }
            Event::Reach(i) => {
                let reply = server.arrive(at, f64::from(costs[i]));
                let served = reply.status() == 200;
                run.calls += 1;
                run.refused += usize::from(!served);
                let delay = if served { service } else { 0.0 } + transit(3_000_000 + sent[i].0);
                replies[i] = Some(reply);
                push(&mut events, at + delay, Event::Answer(i));
            }
            Event::Answer(i) => {
                let reply = replies[i].take().unwrap();
                let (number, sent_at) = sent[i];
                flying.retain(|(flying, _)| *flying != number);
                let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(START as u64) + now;
                let evidence = Evidence::read(&ResponseHead::from(&reply), wall);
                quotas.finish(costs[i]);
                match evidence.refusal {
                    Some(_) => quotas.give_back(costs[i], now),
                    None => quotas.settle(costs[i], None, now),
                }
                for announced in &evidence.announced {
                    let later = flying.iter().filter(|(order, _)| *order > number).map(|(_, i)| {
                        match announced.unit {
                            Unit::Requests => 1.0,
                            Unit::Units => f64::from(costs[*i]),
                        }
                    });
                    let source = Source { order: number, sent_at, in_flight_after: later.sum() };
                    quotas.hear(announced, source, Quotas::LONGEST, now);
                }
                match evidence.refusal {
                    Some(refusal) => {
                        quotas.refused(refusal.hint, &evidence.announced, now);
                        push(&mut events, at + refusal.hint.unwrap().as_secs_f64(), Event::Come(i));
                    }
                    None => {
                        run.served += 1;
                        run.time = run.time.max(at);
                        if load.is_ok() && next < requests {
                            push(&mut events, at, Event::Come(next));
                            next += 1;
                        }
                    }
                }
            }
            Event::Look => look_at = Duration::MAX,
        }
        while let Some(&i) = queue.front() {
            let opens_at = match is_floor {
                true => {
                    let reach = at + round_trip / 2.0;
                    let free_at = ahead.free_at(reach, f64::from(costs[i]));
                    if free_at > reach {
                        Duration::from_nanos(((free_at - round_trip / 2.0) * 1e9).ceil() as u64 + 1)
                    } else {
                        now
                    }
                }
                false => quotas.admits_at(costs[i], now),
            };
            if opens_at > now {
                if opens_at < look_at {
                    look_at = opens_at;
                    push(&mut events, opens_at.as_secs_f64().min(1e9) + 2e-9, Event::Look);
                }
                break;
            }
            queue.pop_front();
            order += 1;
            if is_floor {
                ahead.arrive(at + round_trip / 2.0, f64::from(costs[i]));
            }
            quotas.reserve(costs[i], now);
            flying.push((order, i));
            sent[i] = (order, now);
            push(&mut events, at + transit(2_000_000 + order), Event::Reach(i));
        }
    }
    run
}

/// The beginning of 2026.
const START: f64 = 1_767_225_600.0;
