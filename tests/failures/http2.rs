//! HTTP/2: streams that are refused, and servers that leave (RFC 9113 sections 6.8 and 8.7).

use http::Method;
use tower_http_retry::FailureKind;
use tower_http_retry::body::ReplaySource;
use tower_http_retry::failure::{failure_kind, failure_kind_assuming_sent};

use super::failures;
use crate::support::http2::http2_client;
use crate::support::raw_http2::{RawHttp2Server, StreamDeed};
use crate::support::{request, soon};

const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;

async fn check(deed: StreamDeed, kind: FailureKind) {
    let is_safe = kind == FailureKind::Unprocessed;
    for (method, sent) in [(Method::GET, 2), (Method::POST, if is_safe { 2 } else { 1 })] {
        let server = RawHttp2Server::start([deed]).await;
        let kinds = failures(http2_client(), method.clone(), &server.uri()).await;
        assert_eq!(kinds, [kind], "{deed:?} {method}");
        assert_eq!(server.sent(), sent, "{deed:?} {method}");
    }
}

/// The server says that it did nothing.
#[tokio::test]
async fn a_refused_stream_was_not_processed() {
    check(StreamDeed::ResetStream(REFUSED_STREAM), FailureKind::Unprocessed).await;
}

/// Any other reset says nothing of the kind.
#[tokio::test]
async fn a_stream_that_is_reset_may_have_been_processed() {
    for code in [NO_ERROR, INTERNAL_ERROR, CANCEL, ENHANCE_YOUR_CALM] {
        check(StreamDeed::ResetStream(code), FailureKind::MaybeProcessed).await;
    }
}

/// The server leaves, and ours is above the last stream that it looked at.
#[tokio::test]
async fn a_stream_above_the_last_of_a_goaway_was_not_processed() {
    for code in [NO_ERROR, ENHANCE_YOUR_CALM] {
        check(StreamDeed::GoAway(0, code), FailureKind::Unprocessed).await;
    }
}

/// The server leaves, and it did look at ours.
#[tokio::test]
async fn a_stream_at_or_below_the_last_of_a_goaway_may_have_been_processed() {
    for code in [NO_ERROR, INTERNAL_ERROR] {
        check(StreamDeed::GoAway(1, code), FailureKind::MaybeProcessed).await;
    }
}

/// hyper says GOAWAY also of a request that it has handed over and not begun with, and that the server counts in.
#[tokio::test]
async fn who_is_cautious_takes_no_goaway_for_a_proof() {
    for (deed, cautious) in [
        (StreamDeed::GoAway(0, NO_ERROR), FailureKind::MaybeProcessed),
        (StreamDeed::ResetStream(REFUSED_STREAM), FailureKind::Unprocessed),
    ] {
        let server = RawHttp2Server::start([deed]).await;
        let sent = request(Method::PUT, &server.uri(), "text");
        let sent = sent.map(|body| ReplaySource::new(body, 8, None).body());
        let error = soon(http2_client().request(sent)).await.unwrap_err();
        assert_eq!(
            (failure_kind(&error), failure_kind_assuming_sent(&error)),
            (FailureKind::Unprocessed, cautious)
        );
    }
}

/// Refused twice: at once the first time, by the policy then.
#[tokio::test]
async fn two_refusals_are_two_resends() {
    let refused = StreamDeed::ResetStream(REFUSED_STREAM);
    let server = RawHttp2Server::start([refused, refused]).await;
    let kinds = failures(http2_client(), Method::POST, &server.uri()).await;
    assert_eq!(kinds, [FailureKind::Unprocessed; 2]);
    assert_eq!(server.sent(), 3);
}
