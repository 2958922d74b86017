//! The configuration, and how it becomes a service.

use tower_layer::Layer;

use crate::grpc::GrpcTrailers;

/// Reads how a unary gRPC call ended before its response is handed on, so that the retry layer above can tell.
///
/// A server that fails a call at once usually says so in the head. Others send the head, and then the trailers, with
/// nothing in between. For a unary call this layer waits for the first thing that follows the head: if that is a
/// failure in trailers, they are moved into the head; anything else is put back, and read as if nobody had looked.
///
/// **A stream must not go through it**: the head of its response would be late by as long as its first message takes.
/// So say which calls are unary: all of them, with [`unary`](Self::unary), or those that carry a [`UnaryCall`], with
/// [`marked`](Self::marked).
///
/// Put it below the retry layer. A timeout for each attempt belongs in between, where it includes that wait.
///
/// ```
/// use bytes::Bytes;
/// use http::{HeaderMap, HeaderValue, Request, Response};
/// use http_body_util::{BodyExt, Empty};
/// use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
/// use tower_http_retry::grpc::{GrpcTrailersLayer, UnaryCall};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// // A server that tells in trailers that it has failed.
/// let server = service_fn(|_: Request<()>| async {
///     let trailers = HeaderMap::from_iter([("grpc-status".parse()?, HeaderValue::from(14))]);
///     let body = Empty::<Bytes>::new().with_trailers(std::future::ready(Some(Ok(trailers)))).boxed_unsync();
///     Response::builder().header("content-type", "application/grpc").body(body).map_err(BoxError::from)
/// });
/// let service = ServiceBuilder::new().layer(GrpcTrailersLayer::marked()).service(server);
///
/// let call = Request::builder().extension(UnaryCall).body(())?;
/// let response = service.oneshot(call).await?;
/// assert_eq!(response.headers()["grpc-status"], "14");
/// # Ok(())
/// # }
/// ```
///
/// [`presets::grpc`](crate::presets::grpc) has it in its place in a client.
#[derive(Clone, Copy, Debug)]
pub struct GrpcTrailersLayer {
    is_every_call_unary: bool,
}

/// In the extensions of a request: this call is unary. See [`GrpcTrailersLayer::marked`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnaryCall;

impl GrpcTrailersLayer {
    /// Takes every call for a unary one.
    pub const fn unary() -> Self {
        Self { is_every_call_unary: true }
    }

    /// Takes those calls for unary ones that carry a [`UnaryCall`] in their extensions.
    pub const fn marked() -> Self {
        Self { is_every_call_unary: false }
    }
}

impl<S> Layer<S> for GrpcTrailersLayer {
    type Service = GrpcTrailers<S>;

    fn layer(&self, inner: S) -> Self::Service {
        GrpcTrailers::new(inner, self.is_every_call_unary)
    }
}
