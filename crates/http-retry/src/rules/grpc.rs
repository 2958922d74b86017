//! The rules for gRPC calls decide by the status code of the call. Every call is a POST, so its method says nothing. The
//! [standard rules](super) decide on a failure without a response.
//!
//! The head of a response has the status code only if the server sent nothing else (a *Trailers-Only* response). A
//! response without a code is accepted.
//!
//! ```
//! use http::{Request, Response};
//! use http_retry::{Attempt, RetryCause, ResponseHead, Verdict, rules};
//!
//! let request = Request::post("http://api.example/shop.Orders/Get").body(()).unwrap();
//! let response = Response::builder().header("grpc-status", "14").body(()).unwrap();
//! let unavailable = Attempt::new(1, &request, ResponseHead::from(&response));
//! assert_eq!(rules::grpc::classify(&unavailable), Verdict::Retry(RetryCause::Throttled));
//! assert_eq!(rules::classify(&unavailable), Verdict::Accept);
//! ```

use super::{OutcomeMatcher, RequestMatcher, Rule, rule};
use crate::GrpcCode::{ResourceExhausted, Unavailable};
use crate::RetryCause::Throttled;
use crate::Verdict::{self, Accept, Retry};
use crate::{Attempt, Outcome};

/// Classifies an attempt by the [rules for gRPC](self).
pub fn classify(attempt: &Attempt<'_>) -> Verdict {
    matching(attempt).map_or(Accept, |rule| rule.verdict)
}

/// Returns the first of the [rules for gRPC](self) that matches an attempt. `None` means that the outcome is accepted.
pub fn matching(attempt: &Attempt<'_>) -> Option<&'static Rule> {
    match attempt.outcome {
        Outcome::Failure(_) => super::matching(attempt),
        Outcome::Response(_) => super::first_match(RULES, attempt),
    }
}

/// The rules for responses, in the order in which they are tried.
#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    rule(OutcomeMatcher::GrpcStatus(&[Unavailable]), RequestMatcher::Any, Retry(Throttled), "gRPC A6"),
    rule(OutcomeMatcher::GrpcStatusWithHint(&[ResourceExhausted]), RequestMatcher::Any, Retry(Throttled), "google.rpc.RetryInfo"),
];

#[cfg(test)]
mod tests {
    use http::{Request, Response};

    use super::*;
    use crate::RetryCause::{NeverSent, Timeout, Transient, Unprocessed};
    use crate::{FailureKind, GrpcCode, ResponseHead, RetryCause};

    /// A `RetryInfo` of 7 s.
    const RETRY_INFO: (&str, &str) =
        ("grpc-status-details-bin", "GjAKKHR5cGUuZ29vZ2xlYXBpcy5jb20vZ29vZ2xlLnJwYy5SZXRyeUluZm8SBAoCCAc=");
    const PUSHBACK: (&str, &str) = ("grpc-retry-pushback-ms", "10");

    #[track_caller]
    fn check(status: u16, headers: &[(&str, &str)], expected: impl Into<Option<RetryCause>>) {
        let request = Request::post("http://api.example/shop.Orders/Place").body(()).unwrap();
        let response = headers.iter().fold(Response::builder().status(status), |response, (name, value)| {
            response.header(*name, *value)
        });
        let response = response.body(()).unwrap();
        let verdict = classify(&Attempt::new(1, &request, ResponseHead::from(&response)));
        assert_eq!(verdict, expected.into().map_or(Accept, Retry), "{status} {headers:?}");
    }

    #[test]
    fn one_code_is_retried_and_another_one_with_a_hint() {
        for (code, _) in GrpcCode::ALL {
            let number = (code as u8).to_string();
            let status = ("grpc-status", number.as_str());
            let (bare, hinted) = match code {
                Unavailable => (Some(Throttled), Some(Throttled)),
                ResourceExhausted => (None, Some(Throttled)),
                _ => (None, None),
            };
            check(200, &[status], bare);
            check(200, &[status, PUSHBACK], hinted);
            check(200, &[status, RETRY_INFO], hinted);
            check(200, &[status, ("retry-after", "1")], bare);
            check(200, &[status, ("grpc-status-details-bin", "!!!")], bare);
        }
    }

    #[test]
    fn an_http_status_is_mapped_as_grpc_does() {
        for status in [429, 502, 503, 504] {
            check(status, &[], Throttled);
            // A `grpc-status` outranks the HTTP status.
            check(status, &[("grpc-status", "5")], None);
        }
        for status in [200, 204, 302, 400, 401, 403, 404, 408, 500, 529] {
            check(status, &[], None);
        }
    }

    #[test]
    fn an_invalid_code_is_unknown() {
        for value in ["", "x", "-14", "17", "14.0", "99999999999999999999"] {
            check(200, &[("grpc-status", value)], None);
        }
    }

    #[test]
    fn a_call_that_may_have_been_processed_is_retried_only_if_declared_idempotent() {
        let request = Request::post("http://api.example/shop.Orders/Place").body(()).unwrap();
        for (kind, by_default, declared) in [
            (FailureKind::NeverSent, Retry(NeverSent), Retry(NeverSent)),
            (FailureKind::Unprocessed, Retry(Unprocessed), Retry(Unprocessed)),
            (FailureKind::Overloaded, Accept, Accept),
            (FailureKind::Timeout, Accept, Retry(Timeout)),
            (FailureKind::MaybeProcessed, Accept, Retry(Transient)),
            (FailureKind::Permanent, Accept, Accept),
        ] {
            let attempt = Attempt::new(1, &request, kind);
            assert_eq!(
                (classify(&attempt), classify(&attempt.assume_idempotent(true))),
                (by_default, declared),
                "{kind:?}"
            );
        }
    }
}
