//! Layers that are set up for a kind of server. Their settings can be changed like those of any
//! [`RetryLayer`]. The example of [`llm`] shows one in use.

use std::time::Duration;

#[cfg(feature = "service-config")]
use http_retry::GrpcServiceConfig;
#[cfg(feature = "grpc")]
use http_retry::{Grpc, GrpcRetryPolicy, RetryAfterFirst};
use http_retry::{LlmPolicy, Pace};

use crate::RetryLayer;
use crate::markers::Paced;
#[cfg(feature = "grpc")]
use crate::policy::AttemptHeader;

/// Creates a layer for APIs of language models: [`LlmPolicy`], 4 attempts, 10 minutes to the start of the
/// last attempt, and a [pace](RetryLayer::pace) that all requests with the same
/// [credential](Pace::per_credential) share.
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::{Empty, Full};
/// use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
/// use tower_http_retry::{ReplayBody, presets};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), BoxError> {
/// # let api = service_fn(|_: Request<ReplayBody<Full<Bytes>>>| async {
/// #     Ok::<_, BoxError>(Response::new(Empty::<Bytes>::new()))
/// # });
/// let client = ServiceBuilder::new().layer(presets::llm()).service(api);
///
/// let request = Request::post("https://api.example/v1/messages")
///     .header("authorization", "Bearer ..")
///     .body(Full::from(r#"{"model": ".."}"#))?;
/// let response = client.oneshot(request).await?;
/// # assert_eq!(response.status(), 200);
/// # Ok(())
/// # }
/// ```
///
/// If the API counts by something else, set another pace, for example `.pace(Pace::per_header(X_TENANT))`.
pub fn llm<E>() -> RetryLayer<LlmPolicy, E, Paced> {
    RetryLayer::new(LlmPolicy::new())
        .max_attempts(4)
        .max_elapsed(Duration::from_secs(600))
        .pace(Pace::per_credential())
}

/// Creates a layer for gRPC: [`Grpc`] over the default backoff, and `grpc-previous-rpc-attempts` on each
/// resend.
///
/// A tonic client over it needs one line more, since its body must be `tonic::body::Body`:
///
/// ```text
/// let channel = ServiceBuilder::new()
///     .layer(presets::grpc())
///     .layer(GrpcTrailersLayer::unary()) // only if every call is unary
///     .map_request(|request: Request<_>| request.map(tonic::body::Body::new))
///     .service(channel);
/// let client = HealthClient::new(channel);
/// ```
///
/// A `grpc-timeout` of the caller bounds all attempts together: each resend carries what is left of it
/// ([`keep_grpc_timeout`](RetryLayer::keep_grpc_timeout)). Resends are paid from the layer's own budget,
/// unless a [`Budget::throttling`](crate::Budget::throttling) replaces it.
#[cfg(feature = "grpc")]
pub fn grpc<E>() -> RetryLayer<Grpc<RetryAfterFirst>, E> {
    RetryLayer::new(Grpc::default()).attempt_header(AttemptHeader::grpc()).keep_grpc_timeout()
}

/// Creates a layer for gRPC from the `retryPolicy` of a service config, with the number of attempts that it
/// names. The config's `retryThrottling` is a [`Budget::throttling`](crate::Budget::throttling).
/// `grpc_with_service_config` takes the whole service config.
///
/// ```
/// use std::time::Duration;
/// use tower_http_retry::{Budget, RetryLayer, presets};
/// use tower_http_retry::grpc::{GrpcCode, GrpcRetryConfig, GrpcRetryPolicy};
///
/// # fn main() -> Result<(), tower_http_retry::grpc::ServiceConfigError> {
/// let policy = GrpcRetryPolicy::new(GrpcRetryConfig {
///     max_attempts: 4,
///     initial_backoff: Duration::from_millis(100),
///     max_backoff: Duration::from_secs(1),
///     backoff_multiplier: 2.0,
///     retryable_status_codes: vec![GrpcCode::Unavailable],
/// })?;
/// let layer: RetryLayer<_> = presets::grpc_with_retry_policy(policy).budget(Budget::throttling(10, 0.1)?);
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "grpc")]
pub fn grpc_with_retry_policy<E>(policy: GrpcRetryPolicy) -> RetryLayer<GrpcRetryPolicy, E> {
    RetryLayer::new(policy)
        .max_attempts(policy.max_attempts())
        .attempt_header(AttemptHeader::grpc())
        .keep_grpc_timeout()
}

/// Creates a layer for gRPC from a whole service config. Each method has the `retryPolicy` that the config
/// names for it, and resends are paid from its `retryThrottling`, or else from the layer's default budget.
/// Each layer has a budget of its own, so make one layer for each server.
///
/// ```
/// use tower_http_retry::{RetryLayer, presets};
/// use tower_http_retry::grpc::GrpcServiceConfig;
///
/// # fn main() -> Result<(), tower_http_retry::grpc::ServiceConfigError> {
/// let config = GrpcServiceConfig::from_json(r#"{
///     "methodConfig": [{ "name": [{ "service": "shop.Orders", "method": "List" }], "retryPolicy": {
///         "maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2,
///         "retryableStatusCodes": ["UNAVAILABLE"]
///     } }],
///     "retryThrottling": { "maxTokens": 10, "tokenRatio": 0.1 }
/// }"#)?;
/// let layer: RetryLayer<_> = presets::grpc_with_service_config(config);
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "service-config")]
pub fn grpc_with_service_config<E>(config: GrpcServiceConfig) -> RetryLayer<GrpcServiceConfig, E> {
    let throttling = config.throttling();
    let layer = RetryLayer::new(config)
        .max_attempts(GrpcRetryPolicy::MAX_ATTEMPTS)
        .attempt_header(AttemptHeader::grpc())
        .keep_grpc_timeout();
    match throttling {
        Some(budget) => layer.budget(budget),
        None => layer,
    }
}
