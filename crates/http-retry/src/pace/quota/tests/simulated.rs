//! Loads beyond a quota, over a network that reorders requests and answers.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::server::{Form, Run, Server, Setting, run};

/// A quota and a load on it. All numbers are from 0 to 1.
fn case(form: Form, draws: [f64; 7], seed: u64) -> (Server, Setting) {
    let log = |draw: f64, low: f64, high: f64| low * (high / low).powf(draw);
    let [limit, window, workers, requests, round_trip, jitter, service] = draws;
    let is_tokens = matches!(form, Form::OpenAiTokens | Form::AnthropicTokens);
    let (limit, window) = match is_tokens {
        true => (log(limit, 400.0, 4_000.0), log(window, 5.0, 60.0)),
        false => (log(limit, 10.0, 300.0), log(window, 3.0, 60.0)),
    };
    let calls = if is_tokens { limit / 6.5 } else { limit };
    let requests = (calls * log(requests, 1.5, 4.0)).ceil();
    let setting = Setting {
        round_trip: log(round_trip, 0.002, 0.15),
        jitter: 0.8 * jitter,
        service: log(service, 0.005, 0.5),
        max_cost: if is_tokens { 20 } else { 1 },
        requests: requests as usize,
        load: match seed % 2 {
            0 => Ok(log(workers, 2.0, 200.0).min(calls / 4.0) as usize),
            _ => Err(requests / calls * window / (0.8 + 1.2 * workers)),
        },
        seed,
    };
    (Server::new(form, limit as u32, window), setting)
}

fn forms() -> impl Strategy<Value = Form> {
    prop_oneof![
        Just(Form::OpenAiRequests),
        Just(Form::OpenAiTokens),
        Just(Form::AnthropicTokens),
        Just(Form::Ietf),
    ]
}

proptest! {
    // The bounds hold for nearly all draws and not for all, as the grid says, so the draws are the same in each run.
    #![proptest_config(ProptestConfig { cases: 64, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn next_to_nothing_is_refused_and_no_time_is_lost(
        form in forms(),
        draws in prop::array::uniform7(0.0..1.0_f64),
        seed in 0..1_000_000_u64,
    ) {
        let (server, setting) = case(form, draws, seed);
        let floor = run(server, &setting, true);
        let Run { time, calls, refused, served } = run(server, &setting, false);
        prop_assert_eq!(served, setting.requests);
        // The end of a window is known to a second only, in each window anew.
        let (lost, most_refused) = match form {
            Form::OpenAiTokens | Form::AnthropicTokens => (0.1 * floor.time + 0.5, 0.06 * calls as f64),
            Form::OpenAiRequests => (0.05 * floor.time + 0.2 + server.window / server.limit, 2.0),
            Form::Ietf => (0.05 * floor.time + 1.3 + floor.time / server.window, 2.0),
        };
        prop_assert!(refused as f64 <= most_refused, "{refused} of {calls} refused");
        prop_assert!(time <= floor.time + lost, "{time} s, where {} s are possible", floor.time);
    }
}
