use proptest::prelude::*;

use super::*;

/// Checks the kind of a stream's first event, with each of the line ends that the standard allows.
#[track_caller]
fn check(stream: &str, expected: Option<FirstEvent>) {
    assert_eq!(Parser::default().feed(stream.as_bytes()), expected, "{stream:?}");

    for end in ["\r", "\r\n"] {
        let stream = stream.replace('\n', end);
        assert_eq!(Parser::default().feed(stream.as_bytes()), expected, "{stream:?}");
    }
}

const FAILURE: Option<FirstEvent> = Some(FirstEvent::Failure(None));
const EVENT: Option<FirstEvent> = Some(FirstEvent::Output);

const OVERLOADED: &str =
    "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n";

#[test]
fn a_transient_error_is_distinguished_from_all_other_events() {
    for data in [
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
        r#"{"type":"error","error":{"type":"rate_limit_error","message":".."}}"#,
        r#"{"type":"error","error":{"type":"api_error","message":".."}}"#,
        r#"{"error":{"message":"..","type":"server_error","param":null,"code":null}}"#,
        r#"{"error":{"message":"..","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#,
        r#"{"error":{"type":"service_unavailable_error","code":"server_is_overloaded"}}"#,
        r#"{"type":"error","code":"server_error","message":"..","param":null,"sequence_number":0}"#,
        r#"{"error":{"code":502,"message":".."}}"#,
        r#"{"error":{"code":"429","message":".."}}"#,
    ] {
        check(&format!("data: {data}\n\n"), FAILURE);
        check(&format!("event: error\ndata: {data}\n\n"), FAILURE);
    }
    for data in [
        r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"hi"}}"#,
        r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{"delta":{"content":"hi"}}]}"#,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"overloaded_error"}}"#,
        r#"{"error":{"code":400,"message":".."}}"#,
        r#"{"error":"server_error"}"#,
        r#"{"type":"response.output_text.delta","code":"server_error"}"#,
        "[DONE]",
        "",
        "{",
    ] {
        check(&format!("data: {data}\n\n"), EVENT);
    }
    for data in [
        r#"{"error":{"type":"insufficient_quota","code":"insufficient_quota"}}"#,
        r#"{"error":{"type":"rate_limit_error","code":"insufficient_quota"}}"#,
    ] {
        check(&format!("data: {data}\n\n"), Some(FirstEvent::QuotaGone));
    }
}

#[test]
fn keep_alives_are_no_event() {
    for life in [
        ": PROCESSING\n\n",
        ":\n",
        "\n\n",
        "retry: 3000\n\n",
        "event: ping\ndata: {\"type\": \"ping\"}\n\n",
        "data: {\"type\": \"ping\"}\n\n",
        "event: ping\ndata:\n\n",
        "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}\n\n",
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{}}\n\n",
        "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
        // Without data there is none.
        "event: error\n\n",
        "id: 1\n\n",
    ] {
        check(life, None);
        check(&format!("{life}{life}{OVERLOADED}"), FAILURE);
        check(&format!("{life}data: hello\n\n{OVERLOADED}"), EVENT);
    }
}

#[test]
fn the_first_event_decides_once_it_has_ended() {
    check("", None);
    check("data: {\"error\":{\"type\":\"server_error\"}}", None);
    check("data: {\"error\":{\"type\":\"server_error\"}}\n", None);
    check("data: {\"error\":\ndata: {\"type\":\"server_error\"}}\n\n", FAILURE);
    check("data:{\"error\":{\"type\":\"server_error\"}}\n\n", FAILURE);
    check("\u{feff}data: {\"error\":{\"type\":\"server_error\"}}\n\n", FAILURE);
    check("data\n\n", EVENT);
    check("datum: {\"error\":{\"type\":\"server_error\"}}\n\ndata: 1\n\n", EVENT);
}

#[test]
fn the_end_of_the_stream_ends_its_event() {
    let ended = |stream: &str| {
        let mut parser = Parser::default();
        parser.feed(stream.as_bytes()).or_else(|| parser.finish())
    };
    for cut in 0..3 {
        assert_eq!(ended(&OVERLOADED[..OVERLOADED.len() - cut]), FAILURE, "{cut}");
    }
    assert_eq!(ended(&OVERLOADED[..OVERLOADED.len() - 4]), EVENT);
    assert_eq!(ended(": nothing\n"), None);
    assert_eq!(ended(""), None);
}

fn stream() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(": life\n".to_owned()),
        Just("event: ping\ndata: {\"type\":\"ping\"}\n\n".to_owned()),
        Just(OVERLOADED.to_owned()),
        Just("data: {\"error\":{\"code\":\"server_error\"}}\r\n\r\n".to_owned()),
        Just("data: {\"a\":\r\rdata: 1}\r\n\n".to_owned()),
        "[\\r\\n]{1,3}",
        "[a-z :]{0,8}\r\n",
    ];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn the_bytes_may_be_split_anywhere(
        stream in stream(),
        cuts in proptest::collection::vec(0..400_usize, 0..8),
    ) {
        let bytes = stream.as_bytes();
        let whole = {
            let mut parser = Parser::default();
            parser.feed(bytes).or_else(|| parser.finish())
        };
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).chain([0, bytes.len()]).collect();
        cuts.sort_unstable();
        let mut parser = Parser::default();
        let mut pieces = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]);
        let split = pieces.find_map(|piece| parser.feed(piece)).or_else(|| parser.finish());
        prop_assert_eq!(split, whole);
        let mut parser = Parser::default();
        let single = bytes.chunks(1).find_map(|byte| parser.feed(byte)).or_else(|| parser.finish());
        prop_assert_eq!(single, whole);
    }

    #[test]
    fn junk_never_panics(
        junk in proptest::collection::vec(any::<u8>(), 0..300),
        text in "[dataeventrror:{}\" \\r\\n\u{feff}]{0,80}",
    ) {
        for bytes in [&junk[..], text.as_bytes()] {
            let mut parser = Parser::default();
            let _ = parser.feed(bytes).or_else(|| parser.finish());
        }
    }
}
