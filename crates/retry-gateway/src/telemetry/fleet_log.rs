//! The lines about a fleet on the standard error: one for each change, and at most one in 10 s.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;
use tower_http_retry::fleet::{FleetState, UnreachableReason};

use crate::sync::lock;
use crate::telemetry::log_writer::print_error;

/// The log of one member. A clone is the same log.
#[derive(Clone)]
pub(crate) struct FleetLog {
    timeout: Duration,
    state: Arc<Mutex<State>>,
    print: fn(&str),
}

struct State {
    /// The member has left, so the store does not matter to it any more.
    has_left: bool,
    now: FleetState,
    members: u32,
    /// The state of the last line.
    shown: FleetState,
    /// The time before which there is no further line.
    quiet_until: Option<Instant>,
    alone_since: Option<Instant>,
    /// The time after which the store answered again.
    alone_for: Option<Duration>,
}

impl FleetLog {
    /// Creates the log of a member whose store has this time for an answer.
    pub(crate) fn new(timeout: Duration) -> Self {
        Self::with_print(timeout, print_error)
    }

    fn with_print(timeout: Duration, print: fn(&str)) -> Self {
        let joining = FleetState::Joining;
        let state = State {
            has_left: false,
            now: joining,
            members: 0,
            shown: joining,
            quiet_until: None,
            alone_since: None,
            alone_for: None,
        };
        Self { timeout, state: Arc::new(Mutex::new(state)), print }
    }

    /// Writes a change of the state, or lets it wait until the last line is 10 s old.
    pub(crate) fn record(&self, now: FleetState, members: u32) {
        let mut state = lock(&self.state);
        (state.now, state.members) = (now, members);
        let is_alone = matches!(now, FleetState::Alone(_));
        if is_alone {
            state.alone_since.get_or_insert_with(Instant::now);
        } else {
            state.alone_for = state.alone_since.map(|since| since.elapsed());
        }
        match state.quiet_until {
            // A task waits to write the next line.
            Some(_) => {}
            None => self.write(&mut state),
        }
    }

    /// Ends the log, because the member leaves its fleet.
    pub(crate) fn leave(&self) {
        lock(&self.state).has_left = true;
    }

    fn write(&self, state: &mut State) {
        let Some(line) = state.line(self.timeout) else { return };
        (self.print)(&line);
        let Ok(runtime) = Handle::try_current() else { return };
        let end = Instant::now() + INTERVAL;
        state.quiet_until = Some(end);
        let log = self.clone();
        runtime.spawn(async move {
            tokio::time::sleep_until(end).await;
            let mut state = lock(&log.state);
            state.quiet_until = None;
            log.write(&mut state);
        });
    }
}

impl State {
    /// Returns the line for the state, unless the last line said the same.
    fn line(&mut self, timeout: Duration) -> Option<String> {
        if self.has_left {
            return None;
        }
        if self.now == self.shown {
            if self.now == FleetState::Joined {
                (self.alone_since, self.alone_for) = (None, None);
            }
            return None;
        }
        let members = match self.members {
            1 => "1 member".to_owned(),
            members => format!("{members} members"),
        };
        self.shown = self.now;
        match self.now {
            FleetState::Alone(reason) => {
                let share = 100 / self.members.max(1);
                Some(format!("fleet: alone, {}; {share} % of what is known", text(reason, timeout)))
            }
            FleetState::Joined => {
                self.alone_since = None;
                match self.alone_for.take() {
                    Some(time) => {
                        Some(format!("fleet: joined again after {:.1} s, {members}", time.as_secs_f64()))
                    }
                    None => Some(format!("fleet: joined, {members}")),
                }
            }
            _ => None,
        }
    }
}

fn text(reason: UnreachableReason, timeout: Duration) -> String {
    match reason {
        UnreachableReason::Timeout => format!("the store did not answer in {} ms", timeout.as_millis()),
        UnreachableReason::Closed => "the store closed or refused the connection".to_owned(),
        UnreachableReason::ReadOnly => "the store takes no writes".to_owned(),
        UnreachableReason::Denied => {
            "the store refused the user, the password, the database or a command (see check --online)"
                .to_owned()
        }
        UnreachableReason::OutOfMemory => "the store is out of memory".to_owned(),
        UnreachableReason::Unsupported => {
            "the store does not know a command that the scripts need (see check --online)".to_owned()
        }
        other => format!("the store cannot be used ({other})"),
    }
}

const INTERVAL: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

    /// Time 0: alone. 3.2 s: joined, which is shown at 10 s. 11 s: alone and joined again, of which no line tells.
    #[tokio::test(start_paused = true)]
    async fn there_is_one_line_a_change_and_one_in_ten_seconds() {
        let log = FleetLog::with_print(Duration::from_millis(50), |line| lock(&LINES).push(line.to_owned()));
        let lines = || std::mem::take(&mut *lock(&LINES));
        let alone = FleetState::Alone(UnreachableReason::Timeout);
        log.record(FleetState::Joined, 1);
        assert_eq!(lines(), ["fleet: joined, 1 member"]);
        tokio::time::sleep(INTERVAL + Duration::from_secs(1)).await;
        log.record(alone, 4);
        assert_eq!(lines(), ["fleet: alone, the store did not answer in 50 ms; 25 % of what is known"]);
        tokio::time::sleep(Duration::from_millis(3_200)).await;
        log.record(FleetState::Joined, 4);
        assert!(lines().is_empty());
        tokio::time::sleep(Duration::from_secs(7)).await;
        assert_eq!(lines(), ["fleet: joined again after 3.2 s, 4 members"]);
        log.record(alone, 4);
        log.record(FleetState::Joined, 4);
        tokio::time::sleep(INTERVAL).await;
        assert!(lines().is_empty());
        log.record(FleetState::Alone(UnreachableReason::Closed), 0);
        assert_eq!(
            lines(),
            ["fleet: alone, the store closed or refused the connection; 100 % of what is known"]
        );
        tokio::time::sleep(INTERVAL + Duration::from_secs(1)).await;
        log.leave();
        log.record(FleetState::Joined, 4);
        assert!(lines().is_empty());
    }
}
