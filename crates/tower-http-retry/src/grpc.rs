//! Policies for gRPC, and a layer that reads the status of a unary call from its trailers.
//! [`presets`](crate::presets) has layers that use them, and [`RetryLayer`](crate::RetryLayer) takes any of the policies.

#[cfg(feature = "grpc")]
mod body;
#[cfg(feature = "grpc")]
mod future;
#[cfg(feature = "grpc")]
mod layer;
#[cfg(feature = "grpc")]
mod service;
#[cfg(feature = "grpc")]
mod timeout;

use http::{HeaderMap, header};

#[cfg(feature = "service-config")]
pub use http_retry::GrpcServiceConfig;
#[cfg(feature = "grpc")]
pub use http_retry::{Grpc, GrpcCode, GrpcRetryConfig, GrpcRetryPolicy, ServiceConfigError};

#[cfg(feature = "grpc")]
pub(crate) use self::timeout::shorten_timeout;
#[cfg(feature = "grpc")]
pub use self::{
    body::PeekedBody,
    future::GrpcTrailersFuture,
    layer::{GrpcTrailersLayer, UnaryCall},
    service::GrpcTrailers,
    timeout::{set_timeout, timeout, timeout_of_head},
};

/// Returns true for a gRPC message. It is false for gRPC-Web, which has no trailers.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| is_grpc_type(value.as_bytes()))
}

fn is_grpc_type(content_type: &[u8]) -> bool {
    match content_type.strip_prefix(b"application/grpc") {
        Some(rest) => matches!(rest.first(), None | Some(b'+' | b';')),
        None => false,
    }
}

#[cfg(all(test, feature = "grpc"))]
mod tests;
