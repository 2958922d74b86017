//! A policy of your own is tested and drawn.
//!
//! `cargo run --example test_a_policy`

use std::time::Duration;

use http_retry::Session;
use tower_http_retry::testing::{End, Plot, Script, assert_lawful, check};
use tower_http_retry::{Plan, Policy, RetryContext, Window};

/// Waits longer by an even step each time, and in the second half of each wait.
struct Steps {
    step: Duration,
    cap: Duration,
}

impl Policy for Steps {
    fn schedule(&self, context: &RetryContext<'_>) -> Plan {
        // It saturates, because a test may ask for the four billionth step.
        let backoff = self.step.saturating_mul(context.backoff_step.saturating_add(1)).min(self.cap);
        Window::between(backoff / 2, backoff).into()
    }
}

/// The same policy with a fault: its windows close before they open.
struct Faulty;

impl Policy for Faulty {
    fn schedule(&self, context: &RetryContext<'_>) -> Plan {
        let backoff = Duration::from_millis(200).saturating_mul(context.backoff_step.saturating_add(1));
        Window::between(backoff / 2, backoff.min(Duration::from_millis(400))).into()
    }
}

fn main() {
    let policy = Steps { step: Duration::from_millis(200), cap: Duration::from_secs(1) };

    // Checks the laws that every policy must keep. A test needs only this line.
    assert_lawful(&policy);
    if let Err(violation) = check(&Faulty) {
        println!("{violation}\n");
    }

    // Plays the script of a server to the policy, in virtual time.
    let busy = Script::new().status(503).times(2).status(429).header("retry-after", "7").status(200);
    let transcript = busy.play(&policy, Session::new().max_attempts(4));
    println!("sent at {:?}\n", transcript.sent_at);
    assert_eq!(transcript.end, End::Accepted);
    assert!(transcript.sent_at[3] >= transcript.sent_at[2] + Duration::from_secs(7));

    // Draws the windows of the resends.
    print!("{}", Plot::new(&policy));
}
