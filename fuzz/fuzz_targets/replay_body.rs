//! Any sequence of polls, drops, takeovers and releases, against the model of the replay body.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input {
    limit: u8,
    body: Vec<u8>,
    events: Vec<u8>,
}

fuzz_target!(|input: Input| {
    tower_http_retry::fuzzing::replay_body(input.limit, &input.body, &input.events);
});
