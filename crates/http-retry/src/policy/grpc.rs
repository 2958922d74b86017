//! The policy that classifies gRPC calls by their status codes.

use crate::grpc::Codes;
use crate::rules::grpc;
use crate::{Attempt, GrpcCode, Policy, RetryAfterFirst, Verdict};

/// Classifies outcomes as those of gRPC calls, and leaves the schedule to another policy.
///
/// It uses the [rules for gRPC](crate::rules::grpc). They retry `UNAVAILABLE`, and `RESOURCE_EXHAUSTED` if the server names
/// a time; [`also`](Self::also) adds other codes. Every gRPC call is a POST, so its method says nothing. The server may
/// have processed a call whose connection broke after it was sent. Such a call is sent again only if the caller declares
/// it idempotent, for example with [`any_method`](Policy::any_method) for all calls.
///
/// The code must be in the head of the response, where a server sends it if it sends nothing else. `tower-http-retry` has a
/// layer that moves the code of a unary call from the trailers to the head.
///
/// ```
/// use http_retry::{Grpc, GrpcCode, Policy};
///
/// let reads_only = Grpc::default().also(GrpcCode::Aborted).any_method();
/// # let _: &dyn Policy = &reads_only;
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grpc<P> {
    policy: P,
    also: Codes,
}

impl<P> Grpc<P> {
    /// Creates a policy that takes its schedule from `policy`.
    pub fn new(policy: P) -> Self {
        Self { policy, also: Codes::default() }
    }

    /// Also retries this code, for example `ABORTED` or `INTERNAL`. `OK` changes nothing.
    pub fn also(self, code: GrpcCode) -> Self {
        Self { also: self.also.with(code), ..self }
    }
}

impl Default for Grpc<RetryAfterFirst> {
    fn default() -> Self {
        Self::new(RetryAfterFirst::default())
    }
}

impl<P: Policy> Policy for Grpc<P> {
    forward!(policy: is_retryable, schedule);

    fn classify(&self, attempt: &Attempt<'_>) -> Verdict {
        let code = attempt.outcome.response().and_then(|head| GrpcCode::from_head(&head));
        match code.and_then(|code| self.also.cause(code)) {
            Some(cause) => Verdict::Retry(cause),
            None => grpc::classify(attempt),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};

    use super::*;
    use crate::{FailureKind, FixedDelay, NoRetry, RequestHead, ResponseHead, RetryCause};

    fn verdict(policy: &dyn Policy, code: GrpcCode) -> Verdict {
        let request = Request::post("http://api.example/shop.Orders/Place").body(()).unwrap();
        let response = Response::builder().header("grpc-status", code as u32).body(()).unwrap();
        policy.classify(&Attempt::new(1, &request, ResponseHead::from(&response)))
    }

    #[test]
    fn an_added_code_is_retried() {
        let fixed = FixedDelay::new(std::time::Duration::ZERO);
        for (code, _) in GrpcCode::ALL {
            let expected = match code {
                GrpcCode::Ok => Verdict::Accept,
                GrpcCode::Unavailable | GrpcCode::ResourceExhausted => Verdict::Retry(RetryCause::Throttled),
                GrpcCode::DeadlineExceeded => Verdict::Retry(RetryCause::Timeout),
                _ => Verdict::Retry(RetryCause::Transient),
            };
            assert_eq!(verdict(&Grpc::new(fixed).also(code), code), expected, "{code:?}");
            let is_default = code == GrpcCode::Unavailable;
            assert_eq!(verdict(&Grpc::new(fixed), code) == Verdict::Accept, !is_default, "{code:?}");
        }
    }

    #[test]
    fn is_retryable_is_the_other_policys_answer() {
        let request = Request::post("http://api.example/shop.Orders/Place").body(()).unwrap();
        assert!(Grpc::default().is_retryable(&RequestHead::from(&request)));
        assert!(!Grpc::new(NoRetry).is_retryable(&RequestHead::from(&request)));
    }

    #[test]
    fn any_method_retries_a_call_that_may_have_been_processed() {
        let request = Request::post("http://api.example/shop.Orders/List").body(()).unwrap();
        let broken = Attempt::new(1, &request, FailureKind::MaybeProcessed);
        assert_eq!(Grpc::default().classify(&broken), Verdict::Accept);
        assert_eq!(Grpc::default().any_method().classify(&broken), Verdict::Retry(RetryCause::Transient));
    }
}
