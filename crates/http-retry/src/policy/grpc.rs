//! Which gRPC calls are worth another attempt.

use crate::grpc::Codes;
use crate::rules::grpc;
use crate::{Attempt, GrpcCode, Policy, RetryAfterFirst, Verdict};

/// Reads outcomes as those of gRPC calls, and leaves it to another policy when to send again.
///
/// By the [table of gRPC](crate::rules::grpc): `UNAVAILABLE` is retried, `RESOURCE_EXHAUSTED` where the server names a
/// time, others where [`also`](Self::also) says so. gRPC calls are all POST, so the method tells nothing. A call whose
/// connection broke after it was sent may have been made, and is sent again only if somebody vouches for it: with
/// [`any_method`](Policy::any_method) for all calls.
///
/// The code must be in the head of the response, where servers put it that have nothing else to say. For those that
/// send it in trailers, and for unary calls, `tower-http-retry` has a layer that puts it there.
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
    /// Sends again when `policy` says.
    pub fn new(policy: P) -> Self {
        Self { policy, also: Codes::default() }
    }

    /// Also retries this code: `ABORTED` or `INTERNAL` for example. `OK` changes nothing.
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
    forward!(policy: keep, schedule);

    fn classify(&self, attempt: &Attempt<'_>) -> Verdict {
        let code = attempt.outcome.response().and_then(|head| GrpcCode::of(&head));
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
    fn what_is_opted_in_is_retried_too() {
        let constant = FixedDelay::new(std::time::Duration::ZERO);
        for (code, _) in GrpcCode::ALL {
            let expected = match code {
                GrpcCode::Ok => Verdict::Accept,
                GrpcCode::Unavailable | GrpcCode::ResourceExhausted => Verdict::Retry(RetryCause::Throttled),
                GrpcCode::DeadlineExceeded => Verdict::Retry(RetryCause::Timeout),
                _ => Verdict::Retry(RetryCause::Transient),
            };
            assert_eq!(verdict(&Grpc::new(constant).also(code), code), expected, "{code:?}");
            let is_default = code == GrpcCode::Unavailable;
            assert_eq!(verdict(&Grpc::new(constant), code) == Verdict::Accept, !is_default, "{code:?}");
        }
    }

    #[test]
    fn whether_a_call_is_kept_is_for_the_other_policy_to_say() {
        let request = Request::post("http://api.example/shop.Orders/Place").body(()).unwrap();
        assert!(Grpc::default().is_retryable(&RequestHead::from(&request)));
        assert!(!Grpc::new(NoRetry).is_retryable(&RequestHead::from(&request)));
    }

    #[test]
    fn any_method_vouches_for_a_call_that_may_have_been_made() {
        let request = Request::post("http://api.example/shop.Orders/List").body(()).unwrap();
        let broken = Attempt::new(1, &request, FailureKind::MaybeProcessed);
        assert_eq!(Grpc::default().classify(&broken), Verdict::Accept);
        assert_eq!(Grpc::default().any_method().classify(&broken), Verdict::Retry(RetryCause::Transient));
    }
}
