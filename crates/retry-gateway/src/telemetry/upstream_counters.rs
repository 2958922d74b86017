//! The counters of one upstream.

use std::sync::OnceLock;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use tower_http_retry::grpc::GrpcCode;
use tower_http_retry::pace::PaceRejection;
use tower_http_retry::{GiveUpReason, RetryCause, RetryInfo};

use crate::telemetry::labels::{ReasonLabels, StatusLabels};
use crate::telemetry::pace_metrics::REJECTIONS;
use crate::telemetry::reason::FallbackReason;
use crate::telemetry::response_end::ResponseEnd;
use crate::telemetry::status::CounterStatus;

/// The counters of one upstream, looked up once instead of for each request.
#[derive(Debug)]
pub(crate) struct UpstreamCounters {
    pub(super) upstream: String,
    pub(super) requests: Counter,
    pub(super) attempts: Counter,
    pub(super) retry_success: Counter,
    pub(super) retry_limit_exceeded: Counter,
    pub(super) retry_overflow: Counter,
    pub(super) retry_delay: Histogram,
    pub(super) responses: Family<StatusLabels, Counter>,
    /// The counters of what is rare, apart from the others.
    pub(super) by_reason: Box<ReasonCounters>,
    /// The counter of status 200, which most responses have.
    pub(super) status_200: OnceLock<Counter>,
}

/// The counters that have a series for each reason.
#[derive(Debug)]
pub(super) struct ReasonCounters {
    pub(super) resends: Family<ReasonLabels, Counter>,
    /// Requests that left this upstream for the next one.
    pub(super) fallbacks: Family<ReasonLabels, Counter>,
    /// Responses whose body did not reach its end.
    pub(super) cuts: Family<ReasonLabels, Counter>,
    /// Requests that the pace rejected.
    pub(super) pace_rejected: Family<ReasonLabels, Counter>,
    /// gRPC calls by their code.
    pub(super) grpc_codes: Family<StatusLabels, Counter>,
    /// The counter of the code `OK`, which most calls have.
    pub(super) grpc_ok: OnceLock<Counter>,
}

impl UpstreamCounters {
    /// Counts a request that got a response or lost its client. `is_answered` is false for a 5xx, which is no success even
    /// if the policy accepts it.
    pub(crate) fn record_request(
        &self,
        status: u16,
        is_answered: bool,
        attempts: u32,
        info: Option<RetryInfo>,
    ) {
        self.record_response(status);
        self.record_attempts(attempts, info);
        if info.is_some_and(|info| info.reason().is_none()) && is_answered {
            self.retry_success.inc();
        }
    }

    /// Counts a response by its status.
    pub(crate) fn record_response(&self, status: u16) {
        match status {
            200 => self.status_200.get_or_init(|| self.response_counter(status)).inc(),
            _ => self.response_counter(status).inc(),
        };
    }

    /// Counts a gRPC call by the code with which it ended.
    pub(crate) fn record_grpc_code(&self, code: GrpcCode) {
        let counter = || {
            let labels = StatusLabels { upstream: self.upstream.clone(), status: code as u16 };
            self.by_reason.grpc_codes.get_or_create(&labels).clone()
        };
        match code {
            GrpcCode::Ok => self.by_reason.grpc_ok.get_or_init(counter).inc(),
            _ => counter().inc(),
        };
    }

    /// Counts a request that left this upstream for the next one after these attempts.
    pub(crate) fn record_fallback(&self, attempts: u32, info: Option<RetryInfo>, reason: FallbackReason) {
        self.record_attempts(attempts, info);
        self.record_skip(reason);
    }

    /// Counts a request that left this upstream for the next one before any attempt.
    pub(crate) fn record_skip(&self, reason: FallbackReason) {
        self.by_reason.fallbacks.get_or_create(&self.reason_labels(reason.as_str())).inc();
    }

    /// Counts a response whose body ended before its end.
    pub(crate) fn record_cut(&self, end: ResponseEnd) {
        self.by_reason.cuts.get_or_create(&self.reason_labels(end.as_str())).inc();
    }

    /// Counts a request that the pace rejected.
    pub(crate) fn record_pace_rejection(&self, rejection: PaceRejection) {
        self.by_reason.pace_rejected.get_or_create(&self.reason_labels(rejection.as_str())).inc();
    }

    /// Counts a request and its attempts here, whichever upstream gave the response.
    pub(crate) fn record_attempts(&self, attempts: u32, info: Option<RetryInfo>) {
        self.requests.inc();
        self.attempts.inc_by(u64::from(attempts));
        if attempts > 1 {
            let cause = info.and_then(|info| info.cause()).map_or(UNKNOWN, |cause| cause.as_str());
            self.by_reason.resends.get_or_create(&self.reason_labels(cause)).inc_by(u64::from(attempts - 1));
            self.retry_delay.observe(info.map_or(0.0, |info| info.waited().as_secs_f64()));
        }
        match info.and_then(|info| info.reason()) {
            Some(GiveUpReason::MaxAttempts) => self.retry_limit_exceeded.inc(),
            Some(GiveUpReason::Budget) => self.retry_overflow.inc(),
            _ => return,
        };
    }

    pub(crate) fn status(&self) -> CounterStatus {
        let by_reason = |family: &Family<ReasonLabels, Counter>, reason| {
            Some((reason, family.get(&self.reason_labels(reason))?.get()))
        };
        let fallback_reasons = RESEND_CAUSES.into_iter().chain(OTHER_FALLBACK_REASONS);
        CounterStatus {
            requests: self.requests.get(),
            attempts: self.attempts.get(),
            retry_success: self.retry_success.get(),
            retry_limit_exceeded: self.retry_limit_exceeded.get(),
            retry_overflow: self.retry_overflow.get(),
            resends: RESEND_CAUSES
                .into_iter()
                .filter_map(|cause| by_reason(&self.by_reason.resends, cause))
                .collect(),
            response_cut: ResponseEnd::CUTS
                .iter()
                .filter_map(|end| by_reason(&self.by_reason.cuts, end.as_str()))
                .collect(),
            pace_rejected: REJECTIONS
                .iter()
                .filter_map(|rejection| by_reason(&self.by_reason.pace_rejected, rejection.as_str()))
                .collect(),
            fallbacks: fallback_reasons
                .filter_map(|reason| by_reason(&self.by_reason.fallbacks, reason))
                .collect(),
        }
    }

    fn response_counter(&self, status: u16) -> Counter {
        self.responses.get_or_create(&StatusLabels { upstream: self.upstream.clone(), status }).clone()
    }

    fn reason_labels(&self, reason: &'static str) -> ReasonLabels {
        ReasonLabels { upstream: self.upstream.clone(), reason }
    }
}

/// The status that nginx logs if the client closed the connection before the response.
pub(crate) const CLIENT_CLOSED_REQUEST: u16 = 499;

/// The causes of resends; the last one stands for requests whose client closed before their outcome.
const RESEND_CAUSES: [&str; 6] = [
    RetryCause::NeverSent.as_str(),
    RetryCause::Unprocessed.as_str(),
    RetryCause::Throttled.as_str(),
    RetryCause::Transient.as_str(),
    RetryCause::Timeout.as_str(),
    UNKNOWN,
];
const UNKNOWN: &str = "unknown";
/// The reasons of fallbacks that are no causes of resends.
const OTHER_FALLBACK_REASONS: [&str; 3] =
    [FallbackReason::Paced.as_str(), FallbackReason::QuotaGone.as_str(), FallbackReason::Overflow.as_str()];
