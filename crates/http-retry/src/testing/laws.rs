//! The laws that every policy must keep.

mod grid;
mod violation;

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use http::{Method, Request};
use rand::{SeedableRng, rngs::SmallRng};

use self::grid::Row;
pub use self::violation::Violation;
use super::{Script, Scripted};
use crate::{Attempt, ClockReading, Decision, Outcome, Plan, Policy, RequestHead, ResponseHead, Session};

/// A law that every policy must keep, unless [`Laws::except`] lets it go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Law {
    /// It answers every question without a panic, also where numbers are as large as they can be.
    NoPanic,
    /// Its windows open before they close.
    Ordered,
    /// Its windows close before long: within [`longest`](Laws::longest), counted from the server's hint.
    Bounded,
    /// Of 1,000 sessions no two in a hundred wait for the same time, because callers that fail together must not come
    /// back together. A policy without jitter, such as [`FixedDelay`](crate::FixedDelay), breaks it.
    Varied,
    /// Driven by a [`Session`], it sends nothing before the server's hint. A session sees to that itself, unless it
    /// ignores hints.
    HeedsHints,
}

impl Law {
    /// What it demands, in a few words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoPanic => "a policy never panics",
            Self::Ordered => "a window opens before it closes",
            Self::Bounded => "a window closes before long",
            Self::Varied => "callers that fail together do not come back together",
            Self::HeedsHints => "nothing is sent before the server's hint",
        }
    }
}

/// Which laws are checked, and within which bounds.
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
/// // On purpose.
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

/// The same, for tests. The [module](crate::testing) has an example.
///
/// # Panics
///
/// Where the policy breaks a law, with the attempt at which it does.
#[track_caller]
pub fn assert_lawful<P: Policy + ?Sized>(policy: &P) {
    Laws::new().assert(policy);
}

impl Laws {
    /// All of them; windows close within an hour, and sessions have no deadline and as many attempts as it takes.
    pub fn new() -> Self {
        let session = || Session::new().max_attempts(u32::MAX).max_elapsed(None);
        Self { skipped: HashSet::new(), longest: Duration::from_secs(3_600), session }
    }

    /// All but this one: [`Law::Varied`] for a policy that means to have no jitter.
    pub fn except(mut self, law: Law) -> Self {
        self.skipped.insert(law);
        self
    }

    /// Sets what [`Law::Bounded`] allows above the server's hint.
    pub fn longest(self, longest: Duration) -> Self {
        Self { longest, ..self }
    }

    /// Sets how the sessions of [`Law::Varied`] and [`Law::HeedsHints`] are made.
    pub fn session(self, session: fn() -> Session) -> Self {
        Self { session, ..self }
    }

    /// Checks a policy; the first law that it breaks is the error.
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

    /// The same, for tests.
    ///
    /// # Panics
    ///
    /// Where the policy breaks a law.
    #[track_caller]
    pub fn assert<P: Policy + ?Sized>(&self, policy: &P) {
        if let Err(violation) = self.check(policy) {
            panic!("{violation}");
        }
    }

    fn applies(&self, law: Law) -> bool {
        !self.skipped.contains(&law)
    }

    /// Asks for the window of every context of the grid.
    fn windows<P: Policy + ?Sized>(&self, policy: &P) -> Result<(), Violation> {
        for row in Row::all() {
            let plan = match row.ask(|context| calmly(|| policy.schedule(context))) {
                Ok(plan) => plan,
                Err(said) if self.applies(Law::NoPanic) => return Err(row.breaks(Law::NoPanic, said)),
                Err(_) => continue,
            };
            let Plan::Resend(window) = plan else { continue };
            if self.applies(Law::Ordered) && window.latest < window.earliest {
                let found =
                    format!("it opens after {:?} and closes after {:?}", window.earliest, window.latest);
                return Err(row.breaks(Law::Ordered, found));
            }
            let longest = self.longest.saturating_add(row.hinted_delay());
            let closes = window.latest.max(window.earliest);
            if self.applies(Law::Bounded) && closes > longest {
                let found = format!("it closes after {closes:?}, and {longest:?} is allowed");
                return Err(row.breaks(Law::Bounded, found));
            }
        }
        Ok(())
    }

    /// Lets 1,000 sessions fail alike three times, as often as the policy goes along.
    fn varied<P: Policy + ?Sized>(&self, policy: &P) -> Result<(), Violation> {
        let busy = Script::new().status(503).nth(1);
        let mut delays = vec![Vec::new(); 3];
        let mut rng = SmallRng::seed_from_u64(1);
        for _ in 0..SESSIONS {
            let mut session = (self.session)();
            for delays in &mut delays {
                match decide(policy, &mut session, &busy, &mut rng) {
                    Some(delay) => delays.push(delay),
                    None => break,
                }
            }
        }
        for (number, delays) in (1..).zip(delays) {
            let distinct = delays.iter().collect::<HashSet<_>>().len();
            if delays.len() == SESSIONS && distinct < DISTINCT {
                let found = format!("{SESSIONS} sessions wait for {distinct} different times");
                return Err(Violation::new(Law::Varied, number, found, "a 503 each time".to_owned()));
            }
        }
        Ok(())
    }

    /// Lets sessions fail with every kind of hint.
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
                            let row = format!("{status} with `{header}: {value}` each time");
                            return Err(Violation::new(Law::HeedsHints, number, found, row));
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

/// Asks about heads and outcomes of every kind.
fn heads<P: Policy + ?Sized>(policy: &P) -> Result<(), Violation> {
    for method in [Method::GET, Method::POST, Method::CONNECT] {
        for value in [&b""[..], b"1", b"\xff\xfe", b"99999999999999999999"] {
            let (request, responses) = grid::heads(&method, value);
            let breaks = |said, what: &dyn std::fmt::Debug| {
                Violation::new(Law::NoPanic, 1, said, format!("{method} and {what:?}"))
            };
            calmly(|| policy.is_retryable(&RequestHead::from(&request)))
                .map_err(|said| breaks(said, &"no answer yet"))?;
            for response in &responses {
                let attempt = Attempt::new(1, &request, ResponseHead::from(response));
                calmly(|| policy.classify(&attempt)).map_err(|said| breaks(said, &response.status()))?;
            }
            for kind in grid::FAILURES {
                let attempt = Attempt::new(u32::MAX, &request, kind);
                calmly(|| policy.classify(&attempt)).map_err(|said| breaks(said, &kind))?;
            }
        }
    }
    Ok(())
}

/// How long a session waits, if it does.
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
    let step = calmly(|| session.decide(policy, &attempt, None, clock, rng)).ok()?;
    session.resend();
    match step {
        Decision::Wait(delay) => Some(delay),
        Decision::Accept | Decision::GiveUp(_) => None,
    }
}

/// What an answer is, or what is said in a panic instead of it.
fn calmly<T>(ask: impl FnOnce() -> T) -> Result<T, String> {
    // A policy that panicked is not asked again.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(ask)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        format!("it panics: {}", text.unwrap_or_default())
    })
}

const SESSIONS: usize = 1_000;
const DISTINCT: usize = 990;

/// Hints of each kind, and how long they ask for.
const HINTS: [(&str, &str, Duration); 3] = [
    ("retry-after", "7", Duration::from_secs(7)),
    ("retry-after-ms", "1500", Duration::from_millis(1_500)),
    ("grpc-retry-pushback-ms", "300", Duration::from_millis(300)),
];

#[cfg(test)]
mod tests;
