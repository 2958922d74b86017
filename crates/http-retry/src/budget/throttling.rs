//! The `retryThrottling` of a gRPC service config (gRPC A6), a bucket that failures empty.

use super::{Budget, BudgetSettings};
use crate::ServiceConfigError;

impl Budget {
    /// Creates a budget with the rules of gRPC A6's `retryThrottling`, which differ from those above.
    ///
    /// A failure that is worth retrying takes one token out, and so does a pushback that says not to try again. A success
    /// adds `token_ratio`, whose first three decimals count. A resend costs nothing, and is allowed while more than half of
    /// `max_tokens` remains. A request that the server did not process counts as neither.
    ///
    /// # Errors
    ///
    /// `max_tokens` must be from 1 to 1,000, and `token_ratio` 0.001 or more.
    pub fn throttling(max_tokens: u32, token_ratio: f64) -> Result<Self, ServiceConfigError> {
        if !(1..=1_000).contains(&max_tokens) {
            return Err(ServiceConfigError::new("maxTokens", max_tokens, "from 1 to 1000"));
        }
        // 0.29 is slightly less in binary, and must not become 0.289.
        let reward = ((token_ratio * 1e6).round() / 1e3).floor();
        if !(token_ratio.is_finite() && reward >= 1.0) {
            return Err(ServiceConfigError::new("tokenRatio", token_ratio, "0.001 or more"));
        }
        // The cast saturates.
        let reward = reward as u32;
        Ok(Self::new(BudgetSettings {
            reward,
            min_per_second: 0,
            capacity: Some(max_tokens),
            throttles: true,
        }))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::time::{Duration, SystemTime};

    use http::{Request, Response};
    use rand::{SeedableRng, rngs::SmallRng};

    use super::*;
    use crate::{
        Attempt, ClockReading, Decision, FailureKind, FixedDelay, GiveUpReason, Grpc, Outcome, ResponseHead,
        RetryCost, Session,
    };

    /// The outcome of the first attempt.
    #[derive(Clone, Copy, Debug)]
    enum CaseOutcome {
        Code(u16),
        /// A code with a pushback that says not to try again.
        Pushback(u16),
        Failure(FailureKind),
    }

    use CaseOutcome::{Code, Failure, Pushback};

    /// Returns the decision after the first attempt of a call.
    fn decide(budget: &Budget, case: CaseOutcome) -> Decision {
        let request = Request::post("http://api.example/shop.Orders/Place").body(()).unwrap();
        let mut response = Response::builder();
        if let Code(code) | Pushback(code) = case {
            response = response.header("grpc-status", code);
        }
        if let Pushback(_) = case {
            response = response.header("grpc-retry-pushback-ms", "-1");
        }
        let response = response.body(()).unwrap();
        let outcome = match case {
            Failure(kind) => kind.into(),
            _ => Outcome::from(ResponseHead::from(&response)),
        };
        let policy = Grpc::new(FixedDelay::new(Duration::from_secs(1)));
        let clock = || ClockReading::new(Duration::ZERO, SystemTime::UNIX_EPOCH);
        let attempt = Attempt::new(1, &request, outcome);
        Session::new().decide(&policy, &attempt, Some(budget), clock, &mut SmallRng::seed_from_u64(1))
    }

    #[test]
    fn it_allows_resends_while_more_than_half_remains() {
        let budget = Budget::throttling(10, 0.5).unwrap();
        let wait = Decision::Wait(Duration::from_secs(1));
        for tokens in [9.0, 8.0, 7.0, 6.0] {
            assert_eq!((decide(&budget, Code(14)), budget.tokens()), (wait, tokens));
        }
        for tokens in [5.0, 4.0, 3.0, 2.0, 1.0, 0.0, 0.0] {
            let decision = decide(&budget, Code(14));
            assert_eq!((decision, budget.tokens()), (Decision::GiveUp(GiveUpReason::Budget), tokens));
        }
        for _ in 0..14 {
            assert_eq!(decide(&budget, Code(0)), Decision::Accept);
        }
        assert_eq!((decide(&budget, Code(14)), budget.tokens()), (wait, 6.0));
    }

    #[test]
    fn only_retryable_failures_and_pushbacks_take_a_token() {
        for (case, expected) in [
            (Code(0), 10.0),
            (Code(5), 9.5),
            (Code(14), 8.5),
            (Pushback(14), 8.5),
            (Pushback(5), 8.5),
            (Failure(FailureKind::NeverSent), 8.5),
            (Failure(FailureKind::Unprocessed), 9.5),
            (Failure(FailureKind::MaybeProcessed), 9.5),
        ] {
            let budget = Budget::throttling(10, 0.5).unwrap();
            budget.bucket.fail();
            budget.deposit();
            let _ = decide(&budget, case);
            assert_eq!(budget.tokens(), expected, "{case:?}");
        }
    }

    #[test]
    fn a_resend_costs_nothing_whether_it_goes_out_or_not() {
        let budget = Budget::throttling(3, 1.0).unwrap();
        budget.bucket.fail();
        drop(budget.withdraw(RetryCost::TWO, Duration::ZERO).unwrap());
        budget.withdraw(RetryCost::TWO, Duration::MAX).unwrap().commit();
        assert_eq!(budget.tokens(), 2.0);
    }

    #[test]
    fn three_decimals_of_the_ratio_count() {
        for (ratio, expected) in [(0.1, 0.1), (0.001, 0.001), (0.29, 0.29), (0.5678, 0.567), (1e30, 1_000.0)]
        {
            let budget = Budget::throttling(1_000, ratio).unwrap();
            (0..1_000).for_each(|_| budget.bucket.fail());
            budget.deposit();
            assert_eq!(budget.tokens(), expected, "{ratio}");
        }
    }

    #[test]
    fn an_error_names_the_value_and_the_allowed_ones() {
        for (max_tokens, token_ratio, expected) in [
            (0, 0.1, "`maxTokens` is 0, and must be from 1 to 1000"),
            (1_001, 0.1, "`maxTokens` is 1001, and must be from 1 to 1000"),
            (10, 0.0, "`tokenRatio` is 0, and must be 0.001 or more"),
            (10, 0.0004, "`tokenRatio` is 0.0004, and must be 0.001 or more"),
            (10, -1.0, "`tokenRatio` is -1, and must be 0.001 or more"),
            (10, f64::NAN, "`tokenRatio` is NaN, and must be 0.001 or more"),
            (10, f64::INFINITY, "`tokenRatio` is inf, and must be 0.001 or more"),
        ] {
            let error = Budget::throttling(max_tokens, token_ratio).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }
}
