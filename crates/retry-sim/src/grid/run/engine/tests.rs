use super::*;
use crate::grid::testing::{scenario, secs};
use crate::grid::{Arrivals, Limit};

/// Takes the next event, and returns the stage of the first caller after it.
fn advance(engine: &mut Engine<'_>) -> (f64, Stage) {
    engine.now = engine.next_time().expect("an event is left");
    engine.advance();
    (engine.now.as_secs_f64(), engine.callers[0].stage)
}

#[test]
fn a_timer_that_is_set_again_rings_at_its_last_time_only() {
    let mut scenario = scenario(Limit::None, Arrivals::Burst { requests: 1 });
    scenario.server.refused_first = 1;
    let mut engine = Engine::new(&scenario, None, 1);
    engine.begin();
    // It comes, is sent, is refused, and waits for its hint, which it never reaches.
    for stage in [Stage::InFlight, Stage::InFlight, Stage::Backoff] {
        assert_eq!(advance(&mut engine), (0.0, stage));
    }
    for at in [Some(0.5), None, Some(0.75), Some(0.25), Some(0.9), Some(0.9)] {
        engine.set_timer(0, at.map(secs));
    }
    for at in [0.25, 0.5, 0.75] {
        assert_eq!(advance(&mut engine), (at, Stage::Backoff));
    }
    assert_eq!(advance(&mut engine), (0.9, Stage::InFlight));
}

#[test]
fn a_timer_moves_time_on() {
    let scenario = scenario(Limit::None, Arrivals::Burst { requests: 1 });
    let mut engine = Engine::new(&scenario, None, 1);
    engine.begin();
    advance(&mut engine);
    engine.set_timer(0, Some(Duration::ZERO));
    assert!(engine.callers[0].timer > Some(engine.now));
}

#[test]
fn a_wait_beyond_the_deadline_is_recorded() {
    let mut scenario = scenario(Limit::None, Arrivals::Burst { requests: 1 });
    scenario.max_elapsed = Some(secs(4.0));
    let mut engine = Engine::new(&scenario, None, 1);
    engine.begin();
    advance(&mut engine);
    let caller = &mut engine.callers[0];
    for (now, overrun) in [(3.0, 0.0), (4.0, 0.0), (6.5, 2.5), (5.0, 2.5)] {
        caller.note_overrun(&scenario, secs(now));
        assert_eq!(caller.outcome.overrun, secs(overrun));
    }
}
