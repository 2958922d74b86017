//! A whole service config, whose methods are retried each in its own way.

use h2::Reason as Code;
use http::Method;
use tonic_health::pb::HealthCheckRequest;
use tower::Layer;
use tower_http_retry::grpc::{GrpcServiceConfig, GrpcTrailersLayer};
use tower_http_retry::markers::Boxed;
use tower_http_retry::{GiveUpReason, RetryLayer, presets};

use super::calls::{call, client};
use super::health::{HealthService, Says};
use crate::support::http2::http2_client;
use crate::support::server::Server;
use crate::support::upstream::Upstream;
use crate::support::{eventually, info, request, soon, with_header};

/// `Check` may be sent twice, other methods of its service three times, and those of others only if they were not
/// processed.
const CONFIG: &str = r#"{
    "methodConfig": [
        { "name": [{ "service": "grpc.health.v1.Health", "method": "Check" }], "retryPolicy": {
            "maxAttempts": 2, "initialBackoff": "0.001s", "maxBackoff": "0.001s", "backoffMultiplier": 1,
            "retryableStatusCodes": ["UNAVAILABLE"]
        } },
        { "name": [{ "service": "grpc.health.v1.Health" }], "retryPolicy": {
            "maxAttempts": 3, "initialBackoff": "0.001s", "maxBackoff": "0.001s", "backoffMultiplier": 1,
            "retryableStatusCodes": ["UNAVAILABLE"]
        } },
        { "name": [{}] }
    ],
    "retryThrottling": { "maxTokens": 10, "tokenRatio": 0.1 }
}"#;

fn layer<M>() -> RetryLayer<GrpcServiceConfig, M> {
    presets::grpc_with_service_config(GrpcServiceConfig::from_json(CONFIG).unwrap())
}

#[tokio::test]
async fn each_method_has_its_own_attempts_and_all_are_throttled_together() {
    let server = HealthService::start(Says::InHead, |_| Err(tonic::Status::unavailable("no"))).await;
    let mut client = client(&server, &layer(), GrpcTrailersLayer::marked());
    let code = |outcome: Result<(), tonic::Status>| outcome.unwrap_err().code();
    assert_eq!(code(call(&mut client).await), tonic::Code::Unavailable);
    assert_eq!(server.seen().len(), 2);
    let watched = soon(client.watch(HealthCheckRequest::default())).await;
    assert_eq!(code(watched.map(|_| ())), tonic::Code::Unavailable);
    assert_eq!(server.seen().len(), 2 + 3);
    let previous = server.seen().into_iter().map(|seen| seen.previous.unwrap_or_default());
    assert_eq!(previous.collect::<Vec<_>>(), ["", "1", "", "1", "2"]);
    // Five of ten tokens are left, which is not more than half.
    assert_eq!(code(call(&mut client).await), tonic::Code::Unavailable);
    assert_eq!(server.seen().len(), 2 + 3 + 1);
}

#[tokio::test(start_paused = true)]
async fn the_caller_is_told_that_all_attempts_of_the_method_were_made() {
    for (path, attempts) in [("/grpc.health.v1.Health/Check", 2), ("/grpc.health.v1.Health/List", 3)] {
        let upstream = Upstream::answers(|_| with_header(200, "grpc-status", "14"));
        let client = layer::<Boxed>().layer(upstream.handle());
        let response = eventually(client.oneshot(request(Method::POST, path, "call"))).await.unwrap();
        assert_eq!(info(&response).reason(), Some(GiveUpReason::MaxAttempts));
        assert_eq!((info(&response).attempts(), upstream.sent()), (attempts, attempts as usize));
    }
}

#[tokio::test]
async fn a_refused_stream_is_no_attempt_whatever_the_method() {
    for (path, refused, sent) in [
        ("/shop.Orders/Place", 1, 2),
        ("/shop.Orders/Place", 9, 2),
        ("/grpc.health.v1.Health/Check", 1, 3),
        ("/grpc.health.v1.Health/Check", 9, 3),
    ] {
        let server = Server::http2(move |number| match number <= refused {
            true => Err(Code::REFUSED_STREAM),
            false => Ok(with_header(200, "grpc-status", "14")),
        });
        let server = server.await;
        let client = layer().layer(http2_client());
        let call = request(Method::POST, &server.uri(path), "call");
        let outcome = soon(client.oneshot(call)).await;
        assert_eq!((server.seen().len(), outcome.is_ok()), (sent, refused == 1), "{path} {refused}");
    }
}
