//! The contexts with which a policy is checked, the ordinary ones first. Many of the others never occur in a session.

use std::time::{Duration, SystemTime};

use http::{HeaderValue, Method, Request, Response, StatusCode};

use super::{Law, Violation};
use crate::{Attempt, FailureKind, Outcome, ResponseHead, RetryCause, RetryContext, RetryHint};

/// One context with which a policy is checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct LawCase {
    step: u32,
    outcome: CaseOutcome,
    cause: RetryCause,
    hint: Option<RetryHint>,
    previous_delay: Option<Duration>,
    elapsed: Duration,
    remaining: Option<Duration>,
    now: SystemTime,
}

/// The outcome of the attempt in a [`LawCase`].
#[derive(Clone, Copy, Debug)]
enum CaseOutcome {
    Status(u16),
    Failure(FailureKind),
}

impl LawCase {
    /// Returns every combination, the ordinary ones first.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let sizes =
            [STEPS.len(), OUTCOMES.len(), HINTS.len(), DURATIONS.len(), DURATIONS.len(), CLOCKS.len()];
        (0..sizes.iter().product()).map(Self::nth)
    }

    fn nth(mut index: usize) -> Self {
        let mut digit = |base: usize| {
            let digit = index % base;
            index /= base;
            digit
        };
        let step = STEPS[digit(STEPS.len())];
        let (outcome, cause) = OUTCOMES[digit(OUTCOMES.len())];
        let hint = HINTS[digit(HINTS.len())];
        let (previous_delay, remaining) =
            (DURATIONS[digit(DURATIONS.len())], DURATIONS[digit(DURATIONS.len())]);
        let (elapsed, since_epoch) = CLOCKS[digit(CLOCKS.len())];
        let now = SystemTime::UNIX_EPOCH + since_epoch;
        Self { step, outcome, cause, hint, previous_delay, elapsed, remaining, now }
    }

    /// Calls a function with the context of this case.
    pub(super) fn with_context<T>(&self, call: impl FnOnce(&RetryContext<'_>) -> T) -> T {
        let request = Request::new(());
        let mut response = Response::new(());
        let outcome = match self.outcome {
            CaseOutcome::Failure(kind) => kind.into(),
            CaseOutcome::Status(status) => {
                *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
                Outcome::from(ResponseHead::from(&response))
            }
        };
        let context = RetryContext::new(Attempt::new(self.number(), &request, outcome), self.cause)
            .hint(self.hint)
            .hint_header(self.hint.map(|_| "retry-after"))
            .elapsed(self.elapsed)
            .remaining(self.remaining)
            .now(self.now)
            .backoff_step(self.step)
            .previous_delay(self.previous_delay);
        call(&context)
    }

    /// Returns the delay of the hint, or zero without one.
    pub(super) fn hinted_delay(&self) -> Duration {
        self.hint.and_then(RetryHint::delay).unwrap_or_default()
    }

    /// Returns the violation of a law by the plan for this case.
    pub(super) fn violation(&self, law: Law, found: String) -> Violation {
        let Self { step, outcome, cause, hint, previous_delay, elapsed, remaining, now } = self;
        let mut case = format!("step {step}, {outcome:?}, cause {cause}");
        let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let is_not_zero = |duration: &Duration| !duration.is_zero();
        for (name, value) in [
            ("hint", hint.map(|hint| format!("{hint:?}"))),
            ("previous delay", previous_delay.map(|delay| format!("{delay:?}"))),
            ("elapsed", Some(*elapsed).filter(is_not_zero).map(|elapsed| format!("{elapsed:?}"))),
            ("remaining", remaining.map(|remaining| format!("{remaining:?}"))),
            ("wall clock", Some(since_1970).filter(is_not_zero).map(|now| format!("{now:?} after 1970"))),
        ] {
            if let Some(value) = value {
                case = format!("{case}, {name} {value}");
            }
        }
        Violation::new(law, self.number(), found, case)
    }

    fn number(&self) -> u32 {
        self.step.saturating_add(1)
    }
}

/// Returns a request and responses of every status. Every header that can influence a policy has this value.
pub(super) fn heads(method: &Method, value: &[u8]) -> (Request<()>, Vec<Response<()>>) {
    let value = HeaderValue::from_bytes(value).unwrap_or_else(|_| HeaderValue::from_static(""));
    let mut request = Request::new(());
    *request.method_mut() = method.clone();
    for name in ["idempotency-key", "expect", "host", "x-plan"] {
        request.headers_mut().insert(name, value.clone());
    }
    let statuses = (100..1_000).filter_map(|status| StatusCode::from_u16(status).ok());
    let responses = statuses.map(|status| {
        let mut response = Response::new(());
        *response.status_mut() = status;
        for name in ["retry-after", "x-should-retry", "x-ratelimit-remaining", "grpc-status", "date"] {
            response.headers_mut().insert(name, value.clone());
        }
        response
    });
    (request, responses.collect())
}

pub(super) const FAILURES: [FailureKind; 6] = [
    FailureKind::NeverSent,
    FailureKind::Unprocessed,
    FailureKind::Overloaded,
    FailureKind::Timeout,
    FailureKind::MaybeProcessed,
    FailureKind::Permanent,
];

const STEPS: [u32; 13] = [0, 1, 2, 3, 4, 5, 6, 7, 31, 32, 63, 1_000, u32::MAX];
const OUTCOMES: [(CaseOutcome, RetryCause); 5] = [
    (CaseOutcome::Status(503), RetryCause::Throttled),
    (CaseOutcome::Status(500), RetryCause::Transient),
    (CaseOutcome::Failure(FailureKind::NeverSent), RetryCause::NeverSent),
    (CaseOutcome::Failure(FailureKind::Unprocessed), RetryCause::Unprocessed),
    (CaseOutcome::Failure(FailureKind::Timeout), RetryCause::Timeout),
];
const HINTS: [Option<RetryHint>; 5] = [
    None,
    Some(RetryHint::After(Duration::from_secs(1))),
    Some(RetryHint::After(Duration::ZERO)),
    Some(RetryHint::After(Duration::MAX)),
    Some(RetryHint::Never),
];
const DURATIONS: [Option<Duration>; 4] =
    [None, Some(Duration::from_secs(1)), Some(Duration::ZERO), Some(Duration::MAX)];
/// The elapsed time, and the wall clock as time since 1970.
const CLOCKS: [(Duration, Duration); 3] = [
    (Duration::ZERO, Duration::ZERO),
    (Duration::from_secs(1), Duration::from_secs(1 << 33)),
    (Duration::MAX, Duration::ZERO),
];
