//! HTTP/2: streams that are refused, and servers that leave (RFC 9113 sections 6.8 and 8.7).

use http::Method;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tower_http_retry::{FailureKind, ReplayBody};

use super::failures;
use crate::support::raw2::{Deed2, RawServer2};

const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;

fn client() -> Client<HttpConnector, ReplayBody<http_body_util::Full<bytes::Bytes>>> {
    Client::builder(TokioExecutor::new()).http2_only(true).build_http()
}

async fn check(deed: Deed2, kind: FailureKind) {
    let is_safe = kind == FailureKind::Refused;
    for (method, sent) in [(Method::GET, 2), (Method::POST, if is_safe { 2 } else { 1 })] {
        let server = RawServer2::start([deed]).await;
        let kinds = failures(client(), method.clone(), &server.uri()).await;
        assert_eq!(kinds, [kind], "{deed:?} {method}");
        assert_eq!(server.sent(), sent, "{deed:?} {method}");
    }
}

/// The server says that it did nothing.
#[tokio::test]
async fn a_refused_stream_was_not_processed() {
    check(Deed2::ResetStream(REFUSED_STREAM), FailureKind::Refused).await;
}

/// Any other reset says nothing of the kind.
#[tokio::test]
async fn a_stream_that_is_reset_may_have_been_processed() {
    for code in [NO_ERROR, INTERNAL_ERROR, CANCEL, ENHANCE_YOUR_CALM] {
        check(Deed2::ResetStream(code), FailureKind::MaybeProcessed).await;
    }
}

/// The server leaves, and ours is above the last stream that it looked at.
#[tokio::test]
async fn a_stream_above_the_last_of_a_goaway_was_not_processed() {
    for code in [NO_ERROR, ENHANCE_YOUR_CALM] {
        check(Deed2::GoAway(0, code), FailureKind::Refused).await;
    }
}

/// The server leaves, and it did look at ours.
#[tokio::test]
async fn a_stream_at_or_below_the_last_of_a_goaway_may_have_been_processed() {
    for code in [NO_ERROR, INTERNAL_ERROR] {
        check(Deed2::GoAway(1, code), FailureKind::MaybeProcessed).await;
    }
}

/// Refused twice: at once the first time, by the policy then.
#[tokio::test]
async fn two_refusals_are_two_resends() {
    let refused = Deed2::ResetStream(REFUSED_STREAM);
    let server = RawServer2::start([refused, refused]).await;
    let kinds = failures(client(), Method::POST, &server.uri()).await;
    assert_eq!(kinds, [FailureKind::Refused; 2]);
    assert_eq!(server.sent(), 3);
}
