//! What a body was taken for.

use super::*;

/// The lines that explain a response with a body, without those of the attempts.
fn lines(profile: Profile, status: u16, kind: Option<&str>, body: &str) -> Vec<String> {
    let route = RouteConfig::with_upstream("api", profile, false);
    let headers = header_map(kind.map(|kind| ("content-type", kind)).as_slice());
    let status = StatusCode::from_u16(status).unwrap();
    let response = read_body(&route, status, headers, body.as_bytes().to_vec()).unwrap();
    let outcome = CaseOutcome::Response(Box::new(response));
    let case = Case { method: Method::POST, request: HeaderMap::new(), outcome };
    let text = explain(&route, None, &case, SystemTime::UNIX_EPOCH);
    text.lines().filter(|line| !line.contains("attempt ")).map(str::to_owned).collect()
}

#[test]
fn each_meaning_of_a_body_is_named() {
    let llm = |status, body: &str| lines(Profile::Llm, status, None, body);
    let final_ = "returned to the client: no wait changes what the body says";
    assert_eq!(
        llm(429, r#"{"error":{"code":"insufficient_quota"}}"#),
        ["the body says that the quota is used up or a bill unpaid", final_]
    );
    assert_eq!(
        llm(429, r#"{"error":{"message":"Request too large for x: Limit 30000, Requested 61000."}}"#),
        ["the body says that the request is larger than its limit", final_]
    );
    assert_eq!(
        llm(429, r#"{"error":{"message":"Please try again in 34s"}}"#),
        [
            "the body names a wait of 34.000 s",
            "retryable after status 429: throttled (RFC 6585 section 4)",
            "the server asks for a wait of 34.000 s (body)",
        ]
    );
    assert_eq!(
        llm(200, r#"{"error":{"code":429}}"#),
        [
            "the body is the refusal of a limit, and counts as status 429",
            "retryable after status 429: throttled (RFC 6585 section 4)",
        ]
    );
    let stream = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n";
    assert_eq!(
        llm(200, stream),
        [
            "the body begins with a failure before any output, and counts as status 529",
            "retryable after status 529: throttled (RFC 9110 section 15.6.4)",
        ]
    );
    let nothing = "the body says nothing of the next attempt";
    assert_eq!(llm(429, "{}")[0], nothing);
    assert_eq!(
        llm(200, r#"{"choices":[]}"#),
        [nothing, "returned to the client: status 200 is not an error"]
    );
}

#[test]
fn a_body_that_the_route_does_not_read_says_so() {
    let expected = "the route does not read such a body";
    let quota = r#"{"error":{"code":"insufficient_quota"}}"#;
    assert_eq!(lines(Profile::Default, 429, None, quota)[0], expected);
    assert_eq!(lines(Profile::Llm, 404, None, quota)[0], expected);
    assert_eq!(lines(Profile::Llm, 429, Some("text/plain"), quota)[0], expected);
}
