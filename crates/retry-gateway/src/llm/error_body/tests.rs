use std::time::UNIX_EPOCH;

use super::*;

fn parsed(json: &str) -> Option<ApiError> {
    ApiError::parse_refusal(json.as_bytes(), UNIX_EPOCH + Duration::from_secs(1_767_225_600))
}

#[track_caller]
fn check_wait(json: &str, expected_ms: impl Into<Option<u64>>) {
    let wait = parsed(json).and_then(|error| error.wait());
    assert_eq!(wait, expected_ms.into().map(Duration::from_millis), "{json}");
}

#[test]
fn a_wait_is_read_from_the_places_of_its_vendor() {
    let gemini = |delay: &str| {
        format!(
            r#"{{"error":{{"code":429,"message":"Please retry in 1s.","status":"RESOURCE_EXHAUSTED","details":[
            {{"@type":"type.googleapis.com/google.rpc.Help","links":[{{"url":"x"}}]}},
            {{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":{delay}}}]}}}}"#
        )
    };
    check_wait(&gemini(r#""34s""#), 34_000);
    check_wait(&gemini(r#""45.837s""#), 45_837);
    // The sentence counts where the field does not.
    check_wait(&gemini("34"), 1_000);
    check_wait(&format!("[{}]", gemini(r#""34s""#)), 34_000);
    check_wait(&format!(" [\n{}, {{}}]", gemini(r#""34s""#)), 34_000);
    check_wait(r#"{"error":{"code":"rate_limit_exceeded","message":"Please try again in 1m2.6s."}}"#, 62_600);
    check_wait(r#"{"ok":false,"error_code":429,"parameters":{"retry_after":7}}"#, 7_000);
    check_wait(r#"{"error":{"retry_after":2.5}}"#, 2_500);
    check_wait("\u{feff}{\"error\":{\"retry_after\":2.5}}", 2_500);
    check_wait("\u{feff}{\"retry_after\":2.5}", 2_500);
    check_wait(r#"{"message":"You are being rate limited.","retry_after":0.64,"global":false}"#, 640);
    check_wait(r#"{"retry_after_ms":640}"#, 640);
    check_wait(r#"{"error":{"type":"usage_limit_reached","resets_in_seconds":4500}}"#, 4_500_000);
    check_wait(r#"{"detail":"Request was throttled. Expected available in 12 seconds."}"#, 12_000);
    check_wait(
        r#"{"title":"X","detail":"Your rate limit resets in ~5s.","status":429,"retry_after":4}"#,
        4_000,
    );
    check_wait(
        r#"{"name":"rate_limit_exceeded","errors":["You have been timed out for 60 seconds."]}"#,
        60_000,
    );
    check_wait(r#"{"error":"Model x is currently loading","estimated_time":20.5}"#, 20_500);
    check_wait(r#"{"error":"Rate limited, try again in 5s"}"#, 5_000);
    check_wait(r#"{"errors":[{"message":"x","extensions":{"retry_in_seconds":19}}]}"#, 19_000);
    check_wait(r#"{"error_tag":"LIMITS_REACHED","error_extra":{"retry_after":30,"event_id":"x"}}"#, 30_000);
    check_wait(r#"{"errors":["Too many"],"error_type":"rate_limit","extras":{"wait_seconds":9}}"#, 9_000);
    check_wait(r#"{"message":"Rate Limit (1/SECOND) exceeded","Retry-After":"3 seconds"}"#, 3_000);
    check_wait(r#"{"error_id":502,"error_name":"throttle_violation","backoff":8}"#, 8_000);
    check_wait(r#"{"ErrorCode":36,"ThrottleSeconds":4,"Message":"x"}"#, 4_000);
    check_wait(r#"{"error":{"retryAfter":3,"retry_after":7,"retry_after_ms":8000}}"#, 8_000);
    check_wait(r#"{"statusCode":429,"message":"Rate limit is exceeded. Try again in 1 seconds."}"#, 1_000);
    check_wait(
        r#"{"error":{"code":"RateLimitReached","message":"Please wait 36000 seconds before retrying."}}"#,
        36_000_000,
    );
    check_wait(r#"{"error":{"metadata":{"headers":{"X-RateLimit-Reset":"1767225642000"}}}}"#, 42_000);
    for json in [
        "",
        "{",
        "[]",
        "[1]",
        "7",
        "null",
        r#"{"error":"x"}"#,
        r#"{"retry_after":"-1"}"#,
        r#"{"error":{"details":7}}"#,
    ] {
        check_wait(json, None);
    }
}

#[track_caller]
fn check(json: &str, is_permanent: bool, is_too_large: bool) {
    let meaning = parsed(json).map(|error| (error.is_permanent(), error.is_too_large()));
    assert_eq!(meaning.unwrap_or_default(), (is_permanent, is_too_large), "{json}");
}

#[test]
fn a_used_up_quota_is_distinguished_from_a_rate_limit() {
    for json in [
        r#"{"error":{"message":"..","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
        r#"{"error":{"type":"insufficient_quota","code":"project_spend_limit_exceeded"}}"#,
        r#"{"error":{"type":"invalid_request_error","code":"billing_hard_limit_reached"}}"#,
        r#"{"error":{"code":"billing_not_active","type":null}}"#,
        r#"{"error":{"code":"account_deactivated"}}"#,
        r#"{"type":"error","error":{"type":"billing_error","message":".."}}"#,
        r#"{"type":"error","error":{"type":"permission_error","message":".."}}"#,
        r#"{"error":{"message":"..","type":"exceeded_current_quota_error"}}"#,
        r#"{"code":"Arrearage","message":"..","request_id":"x"}"#,
        r#"{"error":{"code":"1113","message":".."}}"#,
        r#"{"__type":"com.amazon.coral#ServiceQuotaExceededException","message":".."}"#,
        r#"{"code":"..","error":"Your team has used all available credits or reached its monthly spending limit."}"#,
        r#"{"error":{"code":429,"message":"Rate limit exceeded: free-models-per-day"}}"#,
        r#"{"error":{"code":429,"details":[{"violations":[{"quotaId":"GenerateRequestsPerDayPerProject"}]},{"retryDelay":"3s"}]}}"#,
    ] {
        check(json, true, false);
    }
    for json in [
        r#"{"message":"Too many tokens per day, please wait before trying again."}"#,
        r#"{"message":"You are using a Trial key, which is limited to 1000 API calls / month."}"#,
        r#"{"error":{"message":"Insufficient Balance","type":"unknown_error","code":"invalid_request_error"}}"#,
        r#"{"errors":[{"code":3036,"message":"you have used up your daily free allocation of 10,000 neurons"}]}"#,
        r#"{"errors":[{"code":"token_quota_reached","message":".."}],"trace":"x","status_code":403}"#,
        r#"{"error":{"errors":[{"domain":"usageLimits","reason":"dailyLimitExceeded"}],"code":403}}"#,
        r#"{"error":{"code":"SetLimitExceeded","message":"..","type":"TooManyRequests"}}"#,
        r#"{"error":{"code":429,"details":[{"reason":"RATE_LIMIT_EXCEEDED","metadata":{"quota_limit":"RequestsPerDayPerProject"}},{"retryDelay":"3s"}]}}"#,
        r#"{"error":{"code":429,"details":[{"violations":[{"quotaId":"InputTokensPerMinute-FreeTier","quotaValue":"0"}]}]}}"#,
    ] {
        check(json, true, false);
    }
    for json in [
        r#"{"error":{"code":429,"details":[{"violations":[{"quotaId":"RequestsPerMinute","quotaValue":"10"}]}]}}"#,
        r#"{"error":{"code":429,"details":[{"metadata":{"quota_limit":"RequestsPerMinutePerProject"}}]}}"#,
        r#"{"message":"Too many tokens, please wait before trying again."}"#,
        r#"{"message":"You are using a Trial key, which is limited to 40 API calls / minute."}"#,
        r#"{"detail":"Request was throttled."}"#,
        r#"{"error":{"message":"..","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#,
        r#"{"type":"error","error":{"type":"rate_limit_error","message":".."}}"#,
        r#"{"error":{"code":429,"details":[{"violations":[{"quotaId":"GenerateRequestsPerMinutePerProject"}]}]}}"#,
        // Only the type and the code of the error object count.
        r#"{"error":{"message":"insufficient_quota","type":"requests"}}"#,
        r#"{"error":"insufficient_quota"}"#,
        r#"["insufficient_quota"]"#,
        r#"{"error":{"code":"insufficient_quota"#,
        "",
        "insufficient_quota",
    ] {
        check(json, false, false);
    }
}

#[test]
fn a_request_that_is_larger_than_its_limit_is_told_from_others() {
    let message =
        |message: &str| format!(r#"{{"error":{{"code":"rate_limit_exceeded","message":"{message}"}}}}"#);
    check(
        &message("Request too large for gpt-4 on tokens per min (TPM): Limit 30000, Requested 61000."),
        false,
        true,
    );
    check(&message("Rate limit reached for gpt-4: Limit 30000, Used 29000, Requested 2000."), false, false);
}

#[test]
fn deep_nesting_is_no_error_object() {
    check(&format!("{{\"error\":{}", "[".repeat(16_384)), false, false);
    check(&format!("{{\"error\":{}", "{\"error\":".repeat(1_800)), false, false);
}
