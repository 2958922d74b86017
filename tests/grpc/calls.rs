//! Which calls are made again, when, and what the caller gets.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tower::{Layer, ServiceBuilder};
use tower_http_retry::grpc::{
    Grpc, GrpcCode, GrpcRetryConfig, GrpcRetryPolicy, GrpcTrailers, GrpcTrailersLayer,
};
use tower_http_retry::policy::{AttemptHeader, FixedDelay};
use tower_http_retry::{Budget, Policy, ReplayBody, Retry, RetryAfterFirst, RetryLayer, presets};

use super::health::{HealthService, Says};
use crate::support::{QUICKLY, soon};

type ByCode = Grpc<RetryAfterFirst<FixedDelay>>;
type Body = ReplayBody<tonic::body::Body>;
type Mapped = tower::util::MapRequest<Channel, fn(http::Request<Body>) -> http::Request<tonic::body::Body>>;
pub(super) type Client<P> = HealthClient<Retry<GrpcTrailers<Mapped>, P>>;

fn policy() -> ByCode {
    Grpc::new(RetryAfterFirst::new(QUICKLY).spread(0.0))
}

fn layer() -> RetryLayer<ByCode> {
    RetryLayer::new(policy()).attempt_header(AttemptHeader::grpc())
}

pub(super) fn client<P: Policy>(
    server: &HealthService,
    layer: &RetryLayer<P>,
    trailers: GrpcTrailersLayer,
) -> Client<P> {
    let channel = Endpoint::from_shared(server.uri()).unwrap().connect_lazy();
    let body: fn(http::Request<Body>) -> _ = |request| request.map(tonic::body::Body::new);
    let channel = ServiceBuilder::new().layer(trailers).map_request(body).service(channel);
    HealthClient::new(layer.layer(channel))
}

/// What a call for a service called `it` comes to.
pub(super) async fn call<P: Policy>(client: &mut Client<P>) -> Result<(), Status> {
    let request = HealthCheckRequest { service: "it".into() };
    soon(client.check(request)).await.map(|response| {
        assert_eq!(response.into_inner().status, 1);
    })
}

/// A status with one line of metadata.
fn with(code: Code, name: &'static str, value: &'static str) -> Status {
    let mut metadata = MetadataMap::new();
    metadata.insert(name, MetadataValue::from_static(value));
    Status::with_metadata(code, "no", metadata)
}

/// A status with a `RetryInfo` of 60 ms.
fn with_retry_info(code: Code) -> Status {
    let details = "CAgSAm5vGjMKKHR5cGUuZ29vZ2xlYXBpcy5jb20vZ29vZ2xlLnJwYy5SZXRyeUluZm8SBwoFEICOzhw=";
    Status::with_details(code, "no", BASE64_STANDARD.decode(details).unwrap().into())
}

/// Fails once like this, and asserts how often it is called, and after how long again.
#[track_caller]
fn check(
    layer: RetryLayer<ByCode>,
    failure: Status,
    expected_gap: impl Into<Option<u64>>,
) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    let expected_gap = expected_gap.into().map(Duration::from_millis);
    async move {
        for says in [Says::InHead, Says::InTrailers] {
            let once = failure.clone();
            let server = HealthService::start(
                says,
                move |number| if number == 1 { Err(once.clone()) } else { Ok(()) },
            );
            let server = server.await;
            let outcome = call(&mut client(&server, &layer, GrpcTrailersLayer::unary())).await;
            let seen = server.seen();
            let gap = seen.get(1).map(|second| second.at - seen[0].at);
            let of = format!("{failure:?} {says:?} of {caller}: {gap:?}");
            assert_eq!(gap.is_some(), expected_gap.is_some(), "{of}");
            assert!(gap >= expected_gap, "{of}");
            match outcome {
                Ok(()) => assert!(gap.is_some(), "{of}"),
                Err(status) => {
                    assert_eq!(
                        (status.code(), status.details()),
                        (failure.code(), failure.details()),
                        "{of}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn the_code_says_whether_and_the_server_says_when() {
    const PUSHBACK: &str = "grpc-retry-pushback-ms";
    check(layer(), Status::unavailable("no"), 1).await;
    check(layer(), Status::not_found("no"), None).await;
    check(layer(), Status::resource_exhausted("no"), None).await;
    check(layer(), with_retry_info(Code::ResourceExhausted), 60).await;
    check(layer(), with_retry_info(Code::Unavailable), 60).await;
    check(layer(), with_retry_info(Code::NotFound), None).await;
    check(layer(), with(Code::ResourceExhausted, PUSHBACK, "50"), 50).await;
    check(layer(), with(Code::Unavailable, PUSHBACK, "50"), 50).await;
    check(layer(), with(Code::Unavailable, PUSHBACK, "-1"), None).await;
    check(layer(), with(Code::Unavailable, PUSHBACK, "soon"), None).await;
    check(layer(), Status::aborted("no"), None).await;
    let also = || RetryLayer::new(policy().also(GrpcCode::Aborted).also(GrpcCode::Internal));
    check(also(), Status::aborted("no"), 1).await;
    check(also(), Status::internal("no"), 1).await;
}

#[tokio::test]
async fn every_resend_carries_the_call_and_says_how_many_were_before() {
    let server = HealthService::start(Says::InHead, |_| Err(with_retry_info(Code::Unavailable))).await;
    let status = call(&mut client(&server, &layer(), GrpcTrailersLayer::unary())).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "no"));
    let previous: Vec<_> = server.seen().into_iter().map(|seen| seen.previous).collect();
    assert_eq!(previous, [None, Some("1".into()), Some("2".into())]);
    assert!(server.seen().iter().all(|seen| seen.service == "it"));
}

#[tokio::test]
async fn trailers_are_looked_at_only_where_the_call_is_said_to_be_unary() {
    let server = HealthService::start(Says::InTrailers, |_| Err(Status::unavailable("no"))).await;
    let mut client = client(&server, &layer(), GrpcTrailersLayer::marked());
    assert_eq!(call(&mut client).await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(server.seen().len(), 1);

    let mut request = tonic::Request::new(HealthCheckRequest::default());
    request.extensions_mut().insert(tower_http_retry::grpc::UnaryCall);
    assert_eq!(soon(client.check(request)).await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(server.seen().len(), 1 + 3);
}

#[tokio::test]
async fn a_stream_begins_before_its_first_message_and_is_retried_until_then() {
    let script = |number| if number == 1 { Err(Status::unavailable("no")) } else { Ok(()) };
    let server = HealthService::start(Says::InHead, script).await;
    let mut client = client(&server, &layer(), GrpcTrailersLayer::marked());
    let stream = soon(client.watch(HealthCheckRequest::default())).await;
    assert!(stream.is_ok());
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn throttling_stops_at_half_of_the_tokens_and_starts_again_with_successes() {
    let server = HealthService::start(Says::InHead, |number| {
        // The first two calls fail for good, and then each call's first attempt.
        if number <= 4 || number == 6 { Err(Status::unavailable("no")) } else { Ok(()) }
    });
    let server = server.await;
    let budget = Budget::throttling(4, 1.0).unwrap();
    let mut client = client(&server, &layer().budget(budget.clone()), GrpcTrailersLayer::unary());
    // 4 - 1 is more than half, and 3 - 1 is not.
    assert_eq!(call(&mut client).await.unwrap_err().code(), Code::Unavailable);
    assert_eq!((server.seen().len(), budget.tokens()), (2, 2.0));
    for expected in [1.0, 0.0] {
        assert_eq!(call(&mut client).await.unwrap_err().code(), Code::Unavailable);
        assert_eq!(budget.tokens(), expected);
    }
    assert_eq!(server.seen().len(), 4);
    call(&mut client).await.unwrap();
    assert_eq!(call(&mut client).await.unwrap_err().code(), Code::Unavailable);
    assert_eq!((server.seen().len(), budget.tokens()), (6, 0.0));
}

/// The calls and what comes of them are those of grpc-go's `TestRetryUnary`.
#[tokio::test]
async fn a_service_config_is_obeyed_as_grpc_go_does() {
    let server = HealthService::start(Says::InHead, |number| match number - 1 {
        0 | 2 | 5 => Ok(()),
        6 | 8 | 11 => Err(Status::internal("no")),
        _ => Err(Status::already_exists("no")),
    });
    let server = server.await;
    let policy = GrpcRetryPolicy::new(GrpcRetryConfig {
        max_attempts: 4,
        initial_backoff: Duration::from_millis(1),
        max_backoff: Duration::from_millis(1),
        backoff_multiplier: 1.0,
        retryable_status_codes: vec![GrpcCode::AlreadyExists],
    });
    let layer = presets::grpc_with_retry_policy(policy.unwrap());
    let mut client = client(&server, &layer, GrpcTrailersLayer::unary());
    for (code, calls) in [
        (Code::Ok, 0),
        (Code::Ok, 2),
        (Code::Ok, 5),
        (Code::Internal, 6),
        (Code::Internal, 8),
        (Code::Internal, 11),
        (Code::AlreadyExists, 15),
    ] {
        let outcome = call(&mut client).await;
        assert_eq!(
            (outcome.map_or_else(|status| status.code(), |()| Code::Ok), server.seen().len() - 1),
            (code, calls)
        );
    }
}
