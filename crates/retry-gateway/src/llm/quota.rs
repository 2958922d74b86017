//! Finds out from the body of a 429 whether the account's quota is used up.

use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use tokio::time::Instant;

use super::body_signal::BodySignal;
use super::error_body::ApiError;
use super::peeked_body::{Chunk, PeekedBody};
use crate::time::pooled_timeout::Alarms;

/// Reads the body of a 429, up to [`MAX_BYTES`] and until the deadline.
pub(super) async fn find<B>(
    body: &mut PeekedBody<B>,
    deadline: Instant,
    timers: &Alarms,
) -> Option<BodySignal>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut json = Vec::new();
    let is_whole = body.read(MAX_BYTES, deadline, timers, |chunk| match chunk {
        Chunk::Data(data) => {
            json.extend_from_slice(data);
            false
        }
        Chunk::End => true,
    });
    (is_whole.await && is_quota_gone(&json)).then_some(BodySignal::QuotaGone)
}

fn is_quota_gone(json: &[u8]) -> bool {
    ApiError::parse(json).is_some_and(|error| error.is_among(PERMANENT_ERRORS))
}

/// The types and codes of errors that no wait changes.
pub(super) const PERMANENT_ERRORS: &[&str] = &[
    // OpenAI: its guide to error codes, and the codes of its spending limits.
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "account_deactivated",
    "organization_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "project_spend_limit_exceeded",
    // Anthropic: `ErrorType` of its API reference.
    "billing_error",
    "permission_error",
    // Moonshot.
    "exceeded_current_quota_error",
];

/// The most bytes of a body that the gateway reads. Such a body has a few hundred.
pub(super) const MAX_BYTES: usize = 16 * 1024;
/// The longest time that the gateway reads. Most bodies arrive with the head, and another attempt would make the client
/// wait for longer.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(json: &str, expected: bool) {
        assert_eq!(is_quota_gone(json.as_bytes()), expected, "{json}");
    }

    #[test]
    fn a_used_up_quota_is_distinguished_from_a_rate_limit() {
        check(
            r#"{"error":{"message":"..","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
            true,
        );
        check(r#"{"error":{"type":"insufficient_quota","code":"project_spend_limit_exceeded"}}"#, true);
        check(r#"{"error":{"type":"invalid_request_error","code":"billing_hard_limit_reached"}}"#, true);
        check(r#"{"error":{"code":"billing_not_active","type":null}}"#, true);
        check(r#"{"error":{"code":"account_deactivated"}}"#, true);
        check(r#"{"type":"error","error":{"type":"billing_error","message":".."}}"#, true);
        check(r#"{"type":"error","error":{"type":"permission_error","message":".."}}"#, true);
        check(r#"{"error":{"message":"..","type":"exceeded_current_quota_error"}}"#, true);
        check(
            r#"{"error":{"message":"..","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#,
            false,
        );
        check(r#"{"type":"error","error":{"type":"rate_limit_error","message":".."}}"#, false);
        // Only the type and the code of the error object count.
        check(r#"{"error":{"message":"insufficient_quota","type":"requests"}}"#, false);
        check(r#"{"error":"insufficient_quota"}"#, false);
        check(r#"{"code":"insufficient_quota"}"#, false);
        check(r#"["insufficient_quota"]"#, false);
        check(r#"{"error":{"code":"insufficient_quota"#, false);
        check("", false);
        check("insufficient_quota", false);
    }

    #[test]
    fn deep_nesting_is_no_error_object() {
        check(&format!("{{\"error\":{}", "[".repeat(MAX_BYTES)), false);
        check(&format!("{{\"error\":{}", "{\"error\":".repeat(MAX_BYTES / 9)), false);
    }

    proptest! {
        #[test]
        fn junk_never_panics(
            junk in proptest::collection::vec(any::<u8>(), 0..200),
            text in "[{}\"error:,typecode0-9 ]{0,80}",
        ) {
            is_quota_gone(&junk);
            is_quota_gone(text.as_bytes());
        }
    }
}
