//! The time for which a request that its client signed may still be sent.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, header};
use jiff::Timestamp;

/// Returns how long the signature of a request lets it be sent, if it has one of AWS. AWS answers a request with 403 once its
/// `x-amz-date` is 5 minutes old (AWS, "Elements of an AWS API request signature"), and only the client can sign it
/// again.
pub(crate) fn signature_time_left(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let is_signed = headers.get(header::AUTHORIZATION)?.as_bytes().starts_with(b"AWS4-");
    let date = headers.get(AMZ_DATE).filter(|_| is_signed)?;
    let date: Timestamp = date.to_str().ok()?.parse().ok()?;
    let date = Duration::from_secs(u64::try_from(date.as_second()).ok()?);
    let now = now.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some((date + SIGNATURE_LIFETIME).saturating_sub(now))
}

const AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");

const SIGNATURE_LIFETIME: Duration = Duration::from_mins(5);

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// 2026-01-01T00:00:00Z, as a Unix time in seconds.
    const NEW_YEAR: u64 = 1_767_225_600;

    #[track_caller]
    fn check(authorization: Option<&'static str>, date: Option<&'static str>, expected: Option<u64>) {
        let mut headers = HeaderMap::new();
        for (name, value) in [(header::AUTHORIZATION, authorization), (AMZ_DATE, date)] {
            headers.extend(value.map(|value| (name, HeaderValue::from_static(value))));
        }
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NEW_YEAR);
        let left = signature_time_left(&headers, now);
        assert_eq!(left, expected.map(Duration::from_secs), "{authorization:?} {date:?}");
    }

    #[test]
    fn a_signature_lives_five_minutes() {
        let signed =
            Some("AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/bedrock/aws4_request, Signature=0");
        check(signed, Some("20260101T000000Z"), Some(300));
        check(signed, Some("20251231T235801Z"), Some(181));
        check(signed, Some("20251231T235500Z"), Some(0));
        check(signed, Some("20250101T000000Z"), Some(0));
        check(Some("AWS4-ECDSA-P256-SHA256 Credential=a"), Some("20260101T000000Z"), Some(300));
        // The clock of the client may be ahead.
        check(signed, Some("20260101T000010Z"), Some(310));
    }

    #[test]
    fn other_requests_have_no_such_time() {
        check(Some("AWS4-HMAC-SHA256 Credential=a"), None, None);
        check(Some("Bearer a"), Some("20260101T000000Z"), None);
        check(None, Some("20260101T000000Z"), None);
        for date in ["", "yesterday", "99999999T999999Z", "19690101T000000Z", "20260101"] {
            check(Some("AWS4-HMAC-SHA256 Credential=a"), Some(date), None);
        }
    }
}
