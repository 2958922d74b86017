//! Whether a refusal is one that time heals.

use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use tokio::time::Instant;

use super::body_signal::Mark;
use super::error_body::Said;
use super::peeked_body::{Begun, More};
use crate::time::pooled_timeout::TimerPool;

/// Reads a refusal, within bounds.
pub(super) async fn find<B>(body: &mut Begun<B>, until: Instant, alarms: &TimerPool) -> Option<Mark>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut json = Vec::new();
    let is_whole = body.read(MOST, until, alarms, |more| match more {
        More::Data(data) => {
            json.extend_from_slice(data);
            false
        }
        More::End => true,
    });
    (is_whole.await && lasts(&json)).then_some(Mark::QuotaGone)
}

fn lasts(json: &[u8]) -> bool {
    Said::read(json).is_some_and(|said| said.is_among(LASTING))
}

/// What no wait heals, by its type or its code.
pub(super) const LASTING: &[&str] = &[
    // OpenAI: the guide to error codes, and what it answers where a limit of spending is reached.
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
    // Moonshot, which has its own word for it.
    "exceeded_current_quota_error",
];

/// Such a body has a few hundred bytes.
pub(super) const MOST: usize = 16 * 1024;
/// Most come with the head. The client waits for the rest, and would have waited longer for another attempt.
pub(super) const TIME: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(json: &str, expected: bool) {
        assert_eq!(lasts(json.as_bytes()), expected, "{json}");
    }

    #[test]
    fn a_quota_that_is_gone_is_told_from_a_limit_that_passes() {
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
        // What is said elsewhere says nothing.
        check(r#"{"error":{"message":"insufficient_quota","type":"requests"}}"#, false);
        check(r#"{"error":"insufficient_quota"}"#, false);
        check(r#"{"code":"insufficient_quota"}"#, false);
        check(r#"["insufficient_quota"]"#, false);
        check(r#"{"error":{"code":"insufficient_quota"#, false);
        check("", false);
        check("insufficient_quota", false);
    }

    #[test]
    fn what_is_nested_without_end_is_nothing() {
        check(&format!("{{\"error\":{}", "[".repeat(MOST)), false);
        check(&format!("{{\"error\":{}", "{\"error\":".repeat(MOST / 9)), false);
    }

    proptest! {
        #[test]
        fn junk_never_panics(
            junk in proptest::collection::vec(any::<u8>(), 0..200),
            text in "[{}\"error:,typecode0-9 ]{0,80}",
        ) {
            lasts(&junk);
            lasts(text.as_bytes());
        }
    }
}
