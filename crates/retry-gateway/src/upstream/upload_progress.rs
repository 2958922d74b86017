//! The progress of an upload: what its endpoint takes.
//!
//! hyper advances a piece of a body as it writes it to the connection. An endpoint that takes bytes all the time is well,
//! however long the upload lasts, so they set the request's clock back to the start of the upload: by no more than the time
//! that they take at [`MIN_RATE`].

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::connection::progress_piece::{ProgressPiece, WriteProgress};
use crate::telemetry::request_log::RequestLog;

/// A piece of a request's body.
pub(crate) type UploadPiece = ProgressPiece<UploadProgress>;

/// The upload of one attempt. Its pieces share it.
#[derive(Debug)]
pub(crate) struct UploadProgress {
    request_log: RequestLog,
    /// The time that the request's clock showed when hyper took the first piece.
    began_at: Duration,
    /// The nanoseconds by which the clock may still be set back. One task takes the pieces.
    nanos_left: AtomicU64,
}

impl UploadProgress {
    /// Creates the progress of an upload that begins now.
    pub(crate) fn new(request_log: &RequestLog) -> Self {
        let began_at = request_log.clock().elapsed();
        Self { request_log: request_log.clone(), began_at, nanos_left: AtomicU64::new(0) }
    }
}

impl WriteProgress for UploadProgress {
    fn on_written(&self, bytes: usize) {
        let clock = self.request_log.clock();
        // No timeout of the request runs while a response is under way.
        if clock.is_responding() {
            return;
        }
        let earned = (bytes as u64).saturating_mul(NANOS_PER_SECOND / MIN_RATE);
        let left = self.nanos_left.load(Ordering::Relaxed).saturating_add(earned);
        let used = clock.set_back_to(self.began_at, Duration::from_nanos(left));
        let used = u64::try_from(used.as_nanos()).unwrap_or(u64::MAX);
        self.nanos_left.store(left.saturating_sub(used), Ordering::Relaxed);
    }
}

/// The fewest bytes a second that an endpoint takes which is well.
const MIN_RATE: u64 = 500;
const NANOS_PER_SECOND: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use bytes::Buf;
    use http::Request;
    use tokio::time::advance;

    use super::*;
    use crate::connection::info::ConnectionInfo;
    use crate::telemetry::RequestSpan;

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_that_takes_less_than_the_least_rate_is_on_the_clock() {
        let connection = ConnectionInfo::new(Ipv4Addr::LOCALHOST.into(), false, false);
        let request_log = RequestLog::new(false, RequestSpan::new(&Request::new(()), &connection));
        let millis = Duration::from_millis;
        advance(millis(10)).await;
        let mut piece =
            UploadPiece::new(vec![0; 3_000].into(), Some(Arc::new(UploadProgress::new(&request_log))));
        advance(millis(300)).await;
        piece.advance(1_000);
        assert_eq!(request_log.clock().elapsed(), millis(10));
        // The first bytes pay for two seconds in all, and each further one for 2 ms.
        advance(millis(1_800)).await;
        piece.advance(1);
        assert_eq!(request_log.clock().elapsed(), millis(10 + 98));
        advance(millis(100)).await;
        piece.copy_to_bytes(100);
        assert_eq!(request_log.clock().elapsed(), millis(10));
    }
}
