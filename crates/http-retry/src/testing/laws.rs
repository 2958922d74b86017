//! The laws that every policy must obey.

mod grid;
mod violation;

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use http::{Method, Request};
use rand::{SeedableRng, rngs::SmallRng};

use self::grid::LawCase;
pub use self::violation::Violation;
use super::{Script, Scripted};
use crate::{Attempt, ClockReading, Decision, Outcome, Plan, Policy, RequestHead, ResponseHead, Session};

/// A law that every policy must obey, unless [`Laws::except`] exempts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Law {
    /// No method of the policy panics, even with the largest numbers.
    NoPanic,
    /// Every window opens before it closes.
    Ordered,
    /// Every window closes within [`longest`](Laws::longest), counted from the server's hint.
    Bounded,
    /// The delays of 1,000 sessions have at least 990 different values, because callers that fail together must not come back
    /// together. A policy without jitter, such as [`FixedDelay`](crate::FixedDelay), breaks this law.
    Varied,
    /// A [`Session`] with this policy sends nothing before the server's hint. A session ensures that itself, unless it
    /// ignores hints.
    HeedsHints,
}

impl Law {
    /// Returns a short text of the law.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoPanic => "a policy never panics",
            Self::Ordered => "a window opens before it closes",
            Self::Bounded => "a window closes within the longest allowed delay",
            Self::Varied => "callers that fail together do not come back together",
            Self::HeedsHints => "nothing is sent before the server's hint",
        }
    }
}

/// The laws to check, and their bounds.
///
/// ```
/// use std::time::Duration;
/// use http_retry::FixedDelay;
/// use http_retry::testing::{Law, Laws, check};
///
/// let policy = FixedDelay::new(Duration::from_secs(1));
/// let violation = check(&policy).unwrap_err();
/// assert_eq!((violation.law(), violation.attempt()), (Law::Varied, 1));
///
/// // This policy has no jitter on purpose.
/// Laws::new().except(Law::Varied).longest(Duration::from_secs(1)).assert(&policy);
/// ```
#[derive(Clone, Debug)]
pub struct Laws {
    skipped: HashSet<Law>,
    longest: Duration,
    session: fn() -> Session,
}

/// Checks every [`Law`], with the bounds of [`Laws::new`].
pub fn check<P: Policy + ?Sized>(policy: &P) -> Result<(), Violation> {
    Laws::new().check(policy)
}

/// Asserts in a test that a policy obeys every [`Law`]. The [module](crate::testing) has an example.
///
/// # Panics
///
/// Panics if the policy breaks a law. The message names the law and the attempt.
#[track_caller]
pub fn assert_lawful<P: Policy + ?Sized>(policy: &P) {
    Laws::new().assert(policy);
}

impl Laws {
    /// Selects all laws. Windows must close within an hour, and sessions have no time limit and no limit of attempts.
    pub fn new() -> Self {
        let session = || Session::new().max_attempts(u32::MAX).max_elapsed(None);
        Self { skipped: HashSet::new(), longest: Duration::from_secs(3_600), session }
    }

    /// Leaves this law out, for example [`Law::Varied`] for a policy without jitter.
    pub fn except(mut self, law: Law) -> Self {
        self.skipped.insert(law);
        self
    }

    /// Sets the longest delay above the server's hint that [`Law::Bounded`] allows.
    pub fn longest(self, longest: Duration) -> Self {
        Self { longest, ..self }
    }

    /// Sets the function that creates the sessions of [`Law::Varied`] and [`Law::HeedsHints`].
    pub fn session(self, session: fn() -> Session) -> Self {
        Self { session, ..self }
    }

    /// Checks a policy.
    ///
    /// # Errors
    ///
    /// The error is the first law that the policy breaks.
    pub fn check<P: Policy + ?Sized>(&self, policy: &P) -> Result<(), Violation> {
        if self.applies(Law::NoPanic) {
            heads(policy)?;
        }
        self.windows(policy)?;
        if self.applies(Law::Varied) {
            self.varied(policy)?;
        }
        if self.applies(Law::HeedsHints) {
            self.heeds_hints(policy)?;
        }
        Ok(())
    }

    /// Asserts in a test that a policy obeys the laws.
    ///
    /// # Panics
    ///
    /// Panics if the policy breaks a law.
    #[track_caller]
    pub fn assert<P: Policy + ?Sized>(&self, policy: &P) {
        if let Err(violation) = self.check(policy) {
            panic!("{violation}");
        }
    }

    fn applies(&self, law: Law) -> bool {
        !self.skipped.contains(&law)
    }

    /// Checks the window of every case of the grid.
    fn windows<P: Policy + ?Sized>(&self, policy: &P) -> Result<(), Violation> {
        for case in LawCase::all() {
            let plan = match case.with_context(|context| catch_panic(|| policy.schedule(context))) {
                Ok(plan) => plan,
                Err(panic) if self.applies(Law::NoPanic) => return Err(case.violation(Law::NoPanic, panic)),
                Err(_) => continue,
            };
            let Plan::Resend(window) = plan else { continue };
            if self.applies(Law::Ordered) && window.latest < window.earliest {
                let found =
                    format!("it opens after {:?} and closes after {:?}", window.earliest, window.latest);
                return Err(case.violation(Law::Ordered, found));
            }
            let longest = self.longest.saturating_add(case.hinted_delay());
            let closes = window.latest.max(window.earliest);
            if self.applies(Law::Bounded) && closes > longest {
                let found = format!("it closes after {closes:?}, and {longest:?} is allowed");
                return Err(case.violation(Law::Bounded, found));
            }
        }
        Ok(())
    }

    /// Lets 1,000 sessions fail three times in the same way, and counts the different delays.
    fn varied<P: Policy + ?Sized>(&self, policy: &P) -> Result<(), Violation> {
        let unavailable = Script::new().status(503).nth(1);
        let mut delays = vec![Vec::new(); 3];
        let mut rng = SmallRng::seed_from_u64(1);
        for _ in 0..SESSIONS {
            let mut session = (self.session)();
            for delays in &mut delays {
                match decide(policy, &mut session, &unavailable, &mut rng) {
                    Some(delay) => delays.push(delay),
                    None => break,
                }
            }
        }
        for (number, delays) in (1..).zip(delays) {
            let distinct = delays.iter().collect::<HashSet<_>>().len();
            if delays.len() == SESSIONS && distinct < MIN_DISTINCT {
                let found = format!("{SESSIONS} sessions wait for {distinct} different times");
                return Err(Violation::new(Law::Varied, number, found, "a 503 each time".to_owned()));
            }
        }
        Ok(())
    }

    /// Lets sessions fail with each of the [`HINTS`], and compares their delays with it.
    fn heeds_hints<P: Policy + ?Sized>(&self, policy: &P) -> Result<(), Violation> {
        for status in [503, 429] {
            for (header, value, hint) in HINTS {
                let script = Script::new().status(status).header(header, value);
                let mut rng = SmallRng::seed_from_u64(1);
                for _ in 0..100 {
                    let mut session = (self.session)();
                    for number in 1..=3 {
                        let Some(delay) = decide(policy, &mut session, &script.nth(1), &mut rng) else {
                            break;
                        };
                        if delay < hint {
                            let found = format!("the session waits for {delay:?}");
                            let case = format!("{status} with `{header}: {value}` each time");
                            return Err(Violation::new(Law::HeedsHints, number, found, case));
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

impl Default for Laws {
    fn default() -> Self {
        Self::new()
    }
}

/// Calls `is_retryable` and `classify` with heads and outcomes of every kind.
fn heads<P: Policy + ?Sized>(policy: &P) -> Result<(), Violation> {
    for method in [Method::GET, Method::POST, Method::CONNECT] {
        for value in [&b""[..], b"1", b"\xff\xfe", b"99999999999999999999"] {
            let (request, responses) = grid::heads(&method, value);
            let violation = |panic, outcome: &dyn std::fmt::Debug| {
                Violation::new(Law::NoPanic, 1, panic, format!("{method} and {outcome:?}"))
            };
            catch_panic(|| policy.is_retryable(&RequestHead::from(&request)))
                .map_err(|panic| violation(panic, &"no outcome yet"))?;
            for response in &responses {
                let attempt = Attempt::new(1, &request, ResponseHead::from(response));
                catch_panic(|| policy.classify(&attempt))
                    .map_err(|panic| violation(panic, &response.status()))?;
            }
            for kind in grid::FAILURES {
                let attempt = Attempt::new(u32::MAX, &request, kind);
                catch_panic(|| policy.classify(&attempt)).map_err(|panic| violation(panic, &kind))?;
            }
        }
    }
    Ok(())
}

/// Returns the delay that a session decides on after an answer, if it does not end.
fn decide<P: Policy + ?Sized>(
    policy: &P,
    session: &mut Session,
    answer: &Scripted,
    rng: &mut SmallRng,
) -> Option<Duration> {
    let Scripted::Response(response) = answer else { return None };
    let request = Request::new(());
    let attempt = Attempt::new(session.number(), &request, Outcome::from(ResponseHead::from(response)));
    let clock = || ClockReading::new(Duration::ZERO, SystemTime::UNIX_EPOCH);
    let decision = catch_panic(|| session.decide(policy, &attempt, None, clock, rng)).ok()?;
    session.resend();
    match decision {
        Decision::Wait(delay) => Some(delay),
        Decision::Accept | Decision::GiveUp(_) => None,
    }
}

/// Calls a function, and returns the message of its panic as an error.
fn catch_panic<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    // No policy is called again after a panic, so a broken state of it does no harm.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        format!("it panics: {}", text.unwrap_or_default())
    })
}

const SESSIONS: usize = 1_000;
const MIN_DISTINCT: usize = 990;

/// One hint of each kind: a header, its value, and its delay.
const HINTS: [(&str, &str, Duration); 3] = [
    ("retry-after", "7", Duration::from_secs(7)),
    ("retry-after-ms", "1500", Duration::from_millis(1_500)),
    ("grpc-retry-pushback-ms", "300", Duration::from_millis(300)),
];

#[cfg(test)]
mod tests;
