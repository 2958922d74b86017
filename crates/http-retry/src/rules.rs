//! The standard rules decide for each outcome of a request if it is worth another attempt.
//!
//! The rules are data. Each [`Rule`] names its source: the section of an RFC, or the clients whose practice it follows.
//! The first rule that matches decides. An outcome that no rule matches is accepted.
//!
//! ```
//! use http::{Request, StatusCode};
//! use http_retry::{Attempt, FailureKind, rules};
//!
//! let request = Request::post("http://api.example/orders").body(()).unwrap();
//! assert!(rules::matching(&Attempt::new(1, &request, FailureKind::MaybeProcessed)).is_none());
//!
//! let rule = rules::matching(&Attempt::new(1, &request, FailureKind::NeverSent)).unwrap();
//! assert_eq!(rule.source, "RFC 9110 section 9.2.2");
//! ```

#[cfg(feature = "grpc")]
pub mod grpc;

use std::cell::LazyCell;

#[cfg(feature = "grpc")]
use crate::GrpcCode;
use crate::RetryCause::{NeverSent, Throttled, Timeout, Transient, Unprocessed};
use crate::Verdict::{self, Accept, Retry};
use crate::{Attempt, FailureKind, Outcome, ResponseHead, hint};

/// Classifies an attempt by the [standard rules](self).
pub fn classify(attempt: &Attempt<'_>) -> Verdict {
    match attempt.outcome {
        // No rule retries a status below 400, and almost all responses have one.
        Outcome::Response(head) if head.status().as_u16() < 400 => Accept,
        Outcome::Response(_) | Outcome::Failure(_) => matching(attempt).map_or(Accept, |rule| rule.verdict),
    }
}

/// Returns the first of the [standard rules](self) that matches an attempt. `None` means that the outcome is accepted.
pub fn matching(attempt: &Attempt<'_>) -> Option<&'static Rule> {
    first_match(RULES, attempt)
}

/// Returns the rule by which a response is the refusal of a limit: the one that resends any request as
/// [`Throttled`], although the server does not ask for it in so many words. `None` if the response
/// is no such refusal.
pub fn limit(response: &ResponseHead<'_>) -> Option<&'static Rule> {
    let outcome = Outcome::Response(*response);
    RULES.iter().find(|rule| {
        matches!((rule.request, rule.verdict), (RequestMatcher::Any, Retry(Throttled)))
            && rule.outcome.matches(&outcome, || None)
    })
}

fn first_match(rules: &'static [Rule], attempt: &Attempt<'_>) -> Option<&'static Rule> {
    // Several rules need it, and its computation searches the headers.
    let should_retry = LazyCell::new(|| attempt.outcome.response().and_then(|head| head.should_retry()));
    rules.iter().find(|rule| {
        rule.outcome.matches(&attempt.outcome, || *should_retry) && rule.request.matches(attempt)
    })
}

/// Returns whether the server says explicitly that the client should not retry.
pub(crate) fn server_forbids(outcome: &Outcome<'_>) -> bool {
    outcome.response().is_some_and(|head| head.should_retry() == Some(false))
}

/// One of the [standard rules](self).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Rule {
    /// The outcomes that the rule matches.
    pub outcome: OutcomeMatcher,
    /// The requests that the rule matches.
    pub request: RequestMatcher,
    /// The verdict on an attempt that matches both.
    pub verdict: Verdict,
    /// The section of an RFC, or the clients, that the rule follows.
    pub source: &'static str,
}

/// The outcomes that a [`Rule`] of the [standard rules](self) matches.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum OutcomeMatcher {
    /// A failure of this kind.
    Failed(FailureKind),
    /// A response with one of these statuses.
    Status(&'static [u16]),
    /// A response with one of these statuses that also names a time for the next attempt, as `Retry-After` does. The reset of
    /// a quota is such a time if nothing is left of the quota.
    StatusWithTime(&'static [u16]),
    /// A response with one of these statuses that is the refusal of a limit: it announces a quota that is used up, in
    /// any family of rate-limit headers, or names a time for the next attempt.
    StatusOfLimit(&'static [u16]),
    /// A response with one of these statuses in which `x-should-retry` or `stripe-should-retry` is exactly `true`.
    StatusWithShouldRetry(&'static [u16]),
    /// A 4xx or 5xx response in which `x-should-retry` or `stripe-should-retry` is exactly `true`.
    ShouldRetry,
    /// A response in which `x-should-retry` or `stripe-should-retry` is exactly `false`.
    ShouldNotRetry,
    /// A response that ends a gRPC call with one of these codes.
    #[cfg(feature = "grpc")]
    GrpcStatus(&'static [GrpcCode]),
    /// A response that ends a gRPC call with one of these codes and has a valid `RetryInfo` or a pushback.
    #[cfg(feature = "grpc")]
    GrpcStatusWithHint(&'static [GrpcCode]),
}

impl OutcomeMatcher {
    /// Returns whether an outcome matches. `should_retry` returns the explicit answer of the server.
    fn matches(self, outcome: &Outcome<'_>, should_retry: impl Fn() -> Option<bool>) -> bool {
        let head = match outcome {
            Outcome::Failure(failure) => return matches!(self, Self::Failed(kind) if kind == failure.kind()),
            Outcome::Response(head) => head,
        };
        let status = head.status().as_u16();
        #[expect(clippy::manual_contains, reason = "`contains` is made for long lists, and these are short")]
        let has_status = |statuses: &[u16]| statuses.iter().any(|listed| *listed == status);
        match self {
            Self::Failed(_) => false,
            Self::Status(statuses) => has_status(statuses),
            Self::StatusWithTime(statuses) => has_status(statuses) && hint::has_time(head),
            Self::StatusOfLimit(statuses) => has_status(statuses) && hint::is_of_limit(head),
            Self::StatusWithShouldRetry(statuses) => has_status(statuses) && should_retry() == Some(true),
            Self::ShouldRetry => (400..600).contains(&status) && should_retry() == Some(true),
            Self::ShouldNotRetry => should_retry() == Some(false),
            #[cfg(feature = "grpc")]
            Self::GrpcStatus(codes) => GrpcCode::from_head(head).is_some_and(|code| codes.contains(&code)),
            #[cfg(feature = "grpc")]
            Self::GrpcStatusWithHint(codes) => {
                Self::GrpcStatus(codes).matches(outcome, should_retry) && hint::has_grpc_hint(head)
            }
        }
    }
}

/// The requests that a [`Rule`] of the [standard rules](self) matches.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum RequestMatcher {
    /// Any request.
    Any,
    /// An idempotent request: by its method, by its key, or because the caller declares it.
    Idempotent,
    /// A request with a valid `Idempotency-Key`.
    HasIdempotencyKey,
    /// The first attempt of a request that did not arrive here as early data itself. A resend is never early data.
    FirstAttempt,
    /// A request with `Expect: 100-continue`.
    ExpectsContinue,
}

impl RequestMatcher {
    fn matches(self, attempt: &Attempt<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::Idempotent => attempt.is_idempotent(),
            Self::HasIdempotencyKey => attempt.has_idempotency_key(),
            Self::FirstAttempt => attempt.number == 1 && attempt.request.header("early-data") != Some("1"),
            Self::ExpectsContinue => {
                let expectation = attempt.request.header("expect");
                expectation.is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
            }
        }
    }
}

/// The standard rules, in the order in which they are tried.
#[rustfmt::skip]
pub const RULES: &[Rule] = {
    use OutcomeMatcher::{
        Failed, ShouldNotRetry, ShouldRetry, Status, StatusOfLimit, StatusWithShouldRetry, StatusWithTime,
    };
    use RequestMatcher::{Any, ExpectsContinue, FirstAttempt, HasIdempotencyKey, Idempotent};

    &[
        rule(Failed(FailureKind::NeverSent), Any, Retry(NeverSent), "RFC 9110 section 9.2.2"),
        rule(Failed(FailureKind::Unprocessed), Any, Retry(Unprocessed), "RFC 9113 section 8.7"),
        rule(Failed(FailureKind::Overloaded), Any, Accept, "gRPC A6: never the same closed gate"),
        rule(Failed(FailureKind::Timeout), Idempotent, Retry(Timeout), "RFC 9110 section 9.2.2"),
        rule(Failed(FailureKind::MaybeProcessed), Idempotent, Retry(Transient), "RFC 9110 section 9.2.2"),
        rule(ShouldNotRetry, Any, Accept, "OpenAI, Anthropic and Stripe SDKs"),
        rule(StatusWithShouldRetry(&[429, 503, 529]), Any, Retry(Throttled), "OpenAI, Anthropic and Stripe SDKs"),
        rule(ShouldRetry, Any, Retry(Transient), "OpenAI, Anthropic and Stripe SDKs"),
        rule(Status(&[408]), Idempotent, Retry(Transient), "RFC 9110 section 15.5.9"),
        rule(Status(&[421]), Any, Accept, "RFC 9110 section 15.5.20"),
        rule(Status(&[425]), FirstAttempt, Retry(Unprocessed), "RFC 8470 section 5.2"),
        rule(Status(&[429]), Any, Retry(Throttled), "RFC 6585 section 4"),
        rule(Status(&[503, 529]), Idempotent, Retry(Throttled), "RFC 9110 section 15.6.4"),
        rule(Status(&[502, 504]), Idempotent, Retry(Transient), "RFC 9110 sections 15.6.3 and 15.6.5"),
        rule(Status(&[500, 520, 521, 522, 523, 524]), Idempotent, Retry(Transient), "practice of most clients"),
        rule(Status(&[409]), HasIdempotencyKey, Retry(Transient), "draft-ietf-httpapi-idempotency-key-header-06"),
        rule(StatusOfLimit(&[403]), Any, Retry(Throttled), "GitHub, primary and secondary rate limits"),
        rule(StatusOfLimit(&[509]), Any, Retry(Throttled), "limits on bandwidth, as 429"),
        rule(StatusWithTime(&[413]), Any, Retry(Throttled), "RFC 9110 section 15.5.14"),
        rule(StatusWithTime(&[423]), Any, Retry(Throttled), "RFC 4918 section 11.3, with a time as 429"),
        rule(StatusWithTime(&[449]), Any, Retry(Throttled), "Azure Cosmos DB, with a time as 429"),
        rule(StatusWithTime(&[529]), Any, Retry(Throttled), "Anthropic, with a time as 429"),
        rule(StatusWithTime(&[400]), Any, Retry(Throttled), "a limit that names a time, as 429"),
        rule(Status(&[417]), ExpectsContinue, Retry(Unprocessed), "RFC 9110 section 10.1.1"),
    ]
};

const fn rule(
    outcome: OutcomeMatcher,
    request: RequestMatcher,
    verdict: Verdict,
    source: &'static str,
) -> Rule {
    Rule { outcome, request, verdict, source }
}

#[cfg(test)]
mod tests;
