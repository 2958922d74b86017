//! The standard decision table: which outcome of which request is worth another attempt.
//!
//! It is data. Each [`Row`] has the number by which the project's protocol notes know it, and the section
//! that it follows. The first row that fits decides, and what fits none is accepted.
//!
//! ```
//! use http::{Request, StatusCode};
//! use http_retry::{Attempt, FailureKind, table};
//!
//! let request = Request::post("http://api.example/orders").body(()).unwrap();
//! assert!(table::row(&Attempt::new(1, &request, FailureKind::MaybeProcessed)).is_none());
//!
//! let row = table::row(&Attempt::new(1, &request, FailureKind::NeverSent)).unwrap();
//! assert_eq!((row.number, row.source), ("1", "RFC 9110 section 9.2.2"));
//! ```

#[cfg(feature = "grpc")]
pub mod grpc;

use std::cell::LazyCell;

#[cfg(feature = "grpc")]
use crate::GrpcCode;
use crate::RetryCause::{NeverSent, Throttled, Timeout, Transient, Unprocessed};
use crate::Verdict::{self, Accept, Retry};
use crate::{Attempt, FailureKind, Outcome, hint};

/// What the standard [table](self) says of an attempt.
pub fn classify(attempt: &Attempt<'_>) -> Verdict {
    match attempt.outcome {
        // No row is about these but to accept them, and almost all are.
        Outcome::Response(head) if head.status().as_u16() < 400 => Accept,
        Outcome::Response(_) | Outcome::Failure(_) => row(attempt).map_or(Accept, |row| row.verdict),
    }
}

/// The row that decides for an attempt; `None` where the [table](self) has no row and the outcome is accepted.
pub fn row(attempt: &Attempt<'_>) -> Option<&'static Row> {
    find(ROWS, attempt)
}

fn find(rows: &'static [Row], attempt: &Attempt<'_>) -> Option<&'static Row> {
    // Several rows ask for it.
    let said = LazyCell::new(|| attempt.outcome.response().and_then(|head| head.should_retry()));
    rows.iter().find(|row| row.outcome.fits(&attempt.outcome, || *said) && row.request.fits(attempt))
}

/// Whether the server says outright that trying again is no use.
pub(crate) fn server_forbids(outcome: &Outcome<'_>) -> bool {
    outcome.response().is_some_and(|head| head.should_retry() == Some(false))
}

/// One rule of the standard [table](self).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Row {
    /// The row's number in the protocol notes.
    pub number: &'static str,
    /// Which outcomes it is about.
    pub outcome: When,
    /// Which requests it is about.
    pub request: Of,
    /// What it says.
    pub verdict: Verdict,
    /// Where the rule is from.
    pub source: &'static str,
}

/// Which outcomes a [`Row`] of the [table](self) is about.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum When {
    /// A failure of this kind.
    Failed(FailureKind),
    /// A response with one of these statuses.
    Status(&'static [u16]),
    /// The same, if it also names a delay in `Retry-After`.
    StatusWithRetryAfter(&'static [u16]),
    /// The same, if `x-ratelimit-remaining` is 0.
    StatusWithQuotaGone(&'static [u16]),
    /// The same, if `x-should-retry` or `stripe-should-retry` is exactly `true`.
    StatusWithShouldRetry(&'static [u16]),
    /// A 4xx or 5xx response in which `x-should-retry` or `stripe-should-retry` is exactly `true`.
    ShouldRetry,
    /// A response in which `x-should-retry` or `stripe-should-retry` is exactly `false`.
    ShouldNotRetry,
    /// A response that ends a gRPC call with one of these codes.
    #[cfg(feature = "grpc")]
    GrpcStatus(&'static [GrpcCode]),
    /// The same, if it also has a `RetryInfo` that can be read, or a pushback.
    #[cfg(feature = "grpc")]
    GrpcStatusWithHint(&'static [GrpcCode]),
}

impl When {
    /// Whether it is about this outcome, in which the server says outright whether to try again.
    fn fits(self, outcome: &Outcome<'_>, said: impl Fn() -> Option<bool>) -> bool {
        let head = match outcome {
            Outcome::Failure(failure) => return matches!(self, Self::Failed(kind) if kind == failure.kind()),
            Outcome::Response(head) => head,
        };
        let status = head.status().as_u16();
        #[expect(clippy::manual_contains, reason = "that is made for long lists, and these are short")]
        let is_one = |statuses: &[u16]| statuses.iter().any(|one| *one == status);
        match self {
            Self::Failed(_) => false,
            Self::Status(statuses) => is_one(statuses),
            Self::StatusWithRetryAfter(statuses) => is_one(statuses) && hint::has_retry_after(head),
            Self::StatusWithQuotaGone(statuses) => is_one(statuses) && hint::is_quota_gone(head),
            Self::StatusWithShouldRetry(statuses) => is_one(statuses) && said() == Some(true),
            Self::ShouldRetry => (400..600).contains(&status) && said() == Some(true),
            Self::ShouldNotRetry => said() == Some(false),
            #[cfg(feature = "grpc")]
            Self::GrpcStatus(codes) => GrpcCode::of(head).is_some_and(|code| codes.contains(&code)),
            #[cfg(feature = "grpc")]
            Self::GrpcStatusWithHint(codes) => {
                Self::GrpcStatus(codes).fits(outcome, said) && hint::has_grpc_hint(head)
            }
        }
    }
}

/// Which requests a [`Row`] of the [table](self) is about.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Of {
    /// Any.
    Any,
    /// Idempotent by method, by key, or because somebody vouches for it.
    Repeatable,
    /// With a valid `Idempotency-Key`.
    Keyed,
    /// The first send of one that did not arrive here as early data itself. A resend is late enough.
    Original,
    /// With `Expect: 100-continue`.
    Expecting,
}

impl Of {
    fn fits(self, attempt: &Attempt<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::Repeatable => attempt.is_repeatable(),
            Self::Keyed => attempt.is_keyed(),
            Self::Original => attempt.number == 1 && attempt.request.header("early-data") != Some("1"),
            Self::Expecting => {
                let expectation = attempt.request.header("expect");
                expectation.is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
            }
        }
    }
}

/// The rows, in the order in which they are tried.
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    of("1", When::Failed(FailureKind::NeverSent), Of::Any, Retry(NeverSent), "RFC 9110 section 9.2.2"),
    of("2", When::Failed(FailureKind::Unprocessed), Of::Any, Retry(Unprocessed), "RFC 9113 section 8.7"),
    of("3", When::Failed(FailureKind::Overloaded), Of::Any, Accept, "gRPC A6: never the same closed gate"),
    of("4", When::Failed(FailureKind::Timeout), Of::Repeatable, Retry(Timeout), "RFC 9110 section 9.2.2"),
    of("4", When::Failed(FailureKind::MaybeProcessed), Of::Repeatable, Retry(Transient), "RFC 9110 section 9.2.2"),
    of("21", When::ShouldNotRetry, Of::Any, Accept, "OpenAI, Anthropic and Stripe SDKs"),
    of("21", When::StatusWithShouldRetry(&[429, 503, 529]), Of::Any, Retry(Throttled), "OpenAI, Anthropic and Stripe SDKs"),
    of("21", When::ShouldRetry, Of::Any, Retry(Transient), "OpenAI, Anthropic and Stripe SDKs"),
    of("9", When::Status(&[408]), Of::Repeatable, Retry(Transient), "RFC 9110 section 15.5.9"),
    of("10", When::Status(&[421]), Of::Any, Accept, "RFC 9110 section 15.5.20"),
    of("11", When::Status(&[425]), Of::Original, Retry(Unprocessed), "RFC 8470 section 5.2"),
    of("12", When::Status(&[429]), Of::Any, Retry(Throttled), "RFC 6585 section 4"),
    of("13", When::Status(&[503, 529]), Of::Repeatable, Retry(Throttled), "RFC 9110 section 15.6.4"),
    of("15", When::Status(&[502, 504]), Of::Repeatable, Retry(Transient), "RFC 9110 sections 15.6.3 and 15.6.5"),
    of("16", When::Status(&[500, 520, 521, 522, 523, 524]), Of::Repeatable, Retry(Transient), "practice of most clients"),
    of("17", When::Status(&[409]), Of::Keyed, Retry(Transient), "draft-ietf-httpapi-idempotency-key-header-06"),
    of("18a", When::StatusWithQuotaGone(&[403]), Of::Any, Retry(Throttled), "GitHub"),
    of("19", When::StatusWithRetryAfter(&[413]), Of::Any, Retry(Throttled), "RFC 9110 section 15.5.14"),
    of("20", When::Status(&[417]), Of::Expecting, Retry(Unprocessed), "RFC 9110 section 10.1.1"),
];

const fn of(number: &'static str, outcome: When, request: Of, verdict: Verdict, source: &'static str) -> Row {
    Row { number, outcome, request, verdict, source }
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};

    use super::*;
    use crate::ResponseHead;

    #[track_caller]
    fn check_413(retry_after: &str, expected: Verdict) {
        let request = Request::post("http://api.example/").body(()).unwrap();
        let response = Response::builder().status(413).header("retry-after", retry_after).body(()).unwrap();
        let attempt = Attempt::new(1, &request, ResponseHead::from(&response));
        assert_eq!(classify(&attempt), expected, "{retry_after}");
    }

    #[test]
    fn a_413_is_retried_where_its_retry_after_can_be_read_in_whatever_form() {
        for value in [
            "120",
            "Thu, 01 Jan 2026 00:00:30 GMT",
            "Thursday, 01-Jan-26 00:00:30 GMT",
            "Thu Jan  1 00:00:30 2026",
        ] {
            check_413(value, Retry(Throttled));
        }
        for value in ["", "soon", "-1"] {
            check_413(value, Accept);
        }
    }

    #[test]
    fn nothing_below_400_is_retried_whatever_else_it_says() {
        let request = Request::get("http://api.example/").body(()).unwrap();
        for status in 100..400 {
            for said in ["true", "false", ""] {
                let response = Response::builder().status(status).header("x-should-retry", said);
                let response = response.header("retry-after", "1").header("x-ratelimit-remaining", "0");
                let response = response.body(()).unwrap();
                let attempt = Attempt::new(1, &request, ResponseHead::from(&response));
                assert_eq!(row(&attempt).map_or(Accept, |row| row.verdict), Accept, "{status} {said}");
            }
        }
    }

    #[test]
    fn each_row_has_a_source_and_the_numbers_are_those_of_the_notes() {
        for row in ROWS {
            let is_numbered = row.number.trim_end_matches('a').parse::<u32>().is_ok();
            assert!(is_numbered && !row.source.is_empty(), "{row:?}");
        }
    }
}
