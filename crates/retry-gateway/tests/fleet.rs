//! Four gateways as a fleet spend a limit like one, whatever happens to their store: the built binary, a `redis-server`, and one
//! server that counts.
//!
//! The bounds are wider than those of `cargo bench -p retry-gateway --bench fleet`, because other tests run meanwhile.

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "gateway/client.rs"]
mod client;
#[path = "fleet/load.rs"]
mod load;
#[path = "fleet/members.rs"]
mod members;
#[path = "fleet/plays.rs"]
mod plays;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "gateway/process.rs"]
mod process;
#[path = "fleet/server.rs"]
mod server;

use std::thread;
use std::time::Duration;

use self::plays::{Figures, Trouble};

const MEMBERS: usize = 4;
/// A loaded machine keeps it, and it is below the lease.
const STORE_TIMEOUT: &str = "150ms";

/// Prints the figures, and checks that all was served.
#[track_caller]
fn all_served(what: &str, figures: Figures) -> Figures {
    println!("{what}: {figures:?}");
    assert_eq!(figures.failed, 0, "{what}: {figures:?}");
    figures
}

/// Plays several at the same time: most of the time of a play is waiting.
fn side_by_side<T: Copy + Send, const N: usize>(
    of: [T; N],
    play: impl Fn(T) -> Figures + Copy + Send,
) -> [Figures; N] {
    thread::scope(|scope| of.map(|of| scope.spawn(move || play(of))).map(|play| play.join().unwrap()))
}

#[test]
fn burst_takes_as_many_calls_and_as_long_as_with_one() {
    let is_near_one = || {
        let [one, four] = side_by_side([1, MEMBERS], |members| plays::burst(members, true));
        let (one, four) = (all_served("one", one), all_served("four", four));
        four.calls as f64 <= 1.1 * one.calls as f64 + 4.0 && four.seconds <= 1.3 * one.seconds + 0.5
    };
    // A moment of a busy machine costs a member its warm-up. A fault costs each run.
    assert!(
        (0..3).any(|_| is_near_one()),
        "in none of three runs four take as many calls and as long as one"
    );
}

#[test]
fn requests_that_find_room_wait_little_and_ask_rarely() {
    let below: fn() -> Figures = || plays::below_the_limit(MEMBERS, Duration::from_secs(6));
    let asks = || plays::asks(2, 40.0, Duration::from_secs(4));
    let bad = || plays::bad_caller(MEMBERS);
    let [below, asks, bad] = side_by_side([below, asks, bad], |play| play());
    let below = all_served("80 %", below);
    assert!(below.refused <= 6 && below.p99 <= 4.0, "{below:?}");
    let asks = all_served("asks", asks);
    assert!(asks.other <= 500.0, "{asks:?}");
    let bad = all_served("a bad caller", bad);
    assert!(bad.p99 <= 5.0, "{bad:?}");
}

#[test]
fn store_that_is_gone_stopped_or_slow_fails_no_request() {
    let troubles = [Trouble::Killed, Trouble::Stopped, Trouble::Slow];
    let plays = side_by_side(troubles, |trouble| plays::store_in_trouble(MEMBERS, trouble));
    for (trouble, figures) in troubles.into_iter().zip(plays) {
        let figures = all_served("store", figures);
        assert!(figures.refused <= 40 && figures.other <= 8.0, "{trouble:?}: {figures:?}");
    }
}

#[test]
fn member_that_is_killed_or_stopped_holds_up_nobody() {
    let plays = [plays::member_killed, plays::member_stopped];
    for figures in side_by_side(plays, |play| play(MEMBERS)) {
        let figures = all_served("a member in trouble", figures);
        assert!(figures.refused <= 8 && figures.p99 <= 1.5, "{figures:?}");
    }
}

#[test]
fn resends_in_an_outage_do_not_grow_with_the_members() {
    let [one, four] = side_by_side([1, MEMBERS], plays::outage);
    println!("outage: one {one:?}, four {four:?}");
    // A budget holds 100 tokens, and earns some while the server is down.
    assert!(four.other >= 20.0 && four.other <= 200.0, "{four:?}, one {one:?}");
}

#[test]
fn members_with_equal_loads_get_equal_shares_and_a_rolling_restart_fails_no_request() {
    let plays = [plays::above_the_limit, plays::rolling_restart];
    let [shares, restart] = side_by_side(plays, |play| play(MEMBERS));
    let shares = all_served("150 %", shares);
    assert!(shares.other >= 0.95, "{shares:?}");
    let restart = all_served("rolling", restart);
    assert!(restart.refused <= 8, "{restart:?}");
}
