//! The contexts that a policy is asked about: ordinary ones first, and then such as no session will ever see.

use std::time::{Duration, SystemTime};

use http::{HeaderValue, Method, Request, Response, StatusCode};

use super::{Law, Violation};
use crate::{Attempt, FailureKind, Outcome, ResponseHead, RetryCause, RetryContext, RetryHint};

/// What one question is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    step: u32,
    back: Back,
    cause: RetryCause,
    hint: Option<RetryHint>,
    previous_delay: Option<Duration>,
    elapsed: Duration,
    remaining: Option<Duration>,
    now: SystemTime,
}

/// What an attempt came back with.
#[derive(Clone, Copy, Debug)]
enum Back {
    Status(u16),
    Failed(FailureKind),
}

impl Row {
    /// Every combination, the ordinary ones first.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let sizes = [STEPS.len(), BACKS.len(), HINTS.len(), SPANS.len(), SPANS.len(), SINCES.len()];
        (0..sizes.iter().product()).map(Self::nth)
    }

    fn nth(mut index: usize) -> Self {
        let mut digit = |base: usize| {
            let digit = index % base;
            index /= base;
            digit
        };
        let step = STEPS[digit(STEPS.len())];
        let (back, cause) = BACKS[digit(BACKS.len())];
        let hint = HINTS[digit(HINTS.len())];
        let (previous_delay, remaining) = (SPANS[digit(SPANS.len())], SPANS[digit(SPANS.len())]);
        let (elapsed, now) = SINCES[digit(SINCES.len())];
        let now = SystemTime::UNIX_EPOCH + now;
        Self { step, back, cause, hint, previous_delay, elapsed, remaining, now }
    }

    /// Asks a question about this context.
    pub(super) fn ask<T>(&self, ask: impl FnOnce(&RetryContext<'_>) -> T) -> T {
        let request = Request::new(());
        let mut response = Response::new(());
        let outcome = match self.back {
            Back::Failed(kind) => kind.into(),
            Back::Status(status) => {
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
        ask(&context)
    }

    /// How long the server asks to wait.
    pub(super) fn hinted_delay(&self) -> Duration {
        self.hint.and_then(RetryHint::delay).unwrap_or_default()
    }

    pub(super) fn breaks(&self, law: Law, found: String) -> Violation {
        let Self { step, back, cause, hint, previous_delay, elapsed, remaining, now } = self;
        let mut row = format!("step {step}, {back:?}, cause {cause}");
        let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let shown = |span: &Duration| !span.is_zero();
        for (name, value) in [
            ("hint", hint.map(|hint| format!("{hint:?}"))),
            ("previous delay", previous_delay.map(|delay| format!("{delay:?}"))),
            ("elapsed", Some(*elapsed).filter(shown).map(|elapsed| format!("{elapsed:?}"))),
            ("remaining", remaining.map(|remaining| format!("{remaining:?}"))),
            ("wall clock", Some(since_1970).filter(shown).map(|now| format!("{now:?} after 1970"))),
        ] {
            if let Some(value) = value {
                row = format!("{row}, {name} {value}");
            }
        }
        Violation::new(law, self.number(), found, row)
    }

    fn number(&self) -> u32 {
        self.step.saturating_add(1)
    }
}

/// A request, and answers of every status, with this value in every header that decides.
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
const BACKS: [(Back, RetryCause); 5] = [
    (Back::Status(503), RetryCause::Throttled),
    (Back::Status(500), RetryCause::Transient),
    (Back::Failed(FailureKind::NeverSent), RetryCause::NeverSent),
    (Back::Failed(FailureKind::Unprocessed), RetryCause::Unprocessed),
    (Back::Failed(FailureKind::Timeout), RetryCause::Timeout),
];
const HINTS: [Option<RetryHint>; 5] = [
    None,
    Some(RetryHint::After(Duration::from_secs(1))),
    Some(RetryHint::After(Duration::ZERO)),
    Some(RetryHint::After(Duration::MAX)),
    Some(RetryHint::Never),
];
const SPANS: [Option<Duration>; 4] =
    [None, Some(Duration::from_secs(1)), Some(Duration::ZERO), Some(Duration::MAX)];
/// What elapsed, and what the wall clock says: since 1970.
const SINCES: [(Duration, Duration); 3] = [
    (Duration::ZERO, Duration::ZERO),
    (Duration::from_secs(1), Duration::from_secs(1 << 33)),
    (Duration::MAX, Duration::ZERO),
];
