//! The layer, and the marker of unary calls.

use tower_layer::Layer;

use crate::grpc::GrpcTrailers;

/// Reads the status of a unary gRPC call before the response is passed on, so that the retry layer above can
/// classify it.
///
/// A server that fails a call at once usually sends the status in the head. Other servers send the head, and
/// then the trailers, with nothing in between. For a unary call this layer waits for the first frame after
/// the head. If that frame is trailers with a failure, they move into the head. Any other frame stays in the
/// body.
///
/// **Do not send a streaming call through it**: the head of its response would be delayed until its first
/// message arrives. Tell the layer which calls are unary: all of them, with [`unary`](Self::unary), or the
/// calls with a [`UnaryCall`] in their extensions, with [`marked`](Self::marked).
///
/// Put it below the retry layer. A timeout for each attempt belongs between the two, where it includes that
/// wait.
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
/// // A server that reports a failure in its trailers.
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
/// The example of [`presets::grpc`](crate::presets::grpc) shows its place in a client.
#[derive(Clone, Copy, Debug)]
pub struct GrpcTrailersLayer {
    is_every_call_unary: bool,
}

/// Marks a call as unary, in the extensions of its request. See [`GrpcTrailersLayer::marked`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnaryCall;

impl GrpcTrailersLayer {
    /// Creates a layer that treats every call as unary.
    pub const fn unary() -> Self {
        Self { is_every_call_unary: true }
    }

    /// Creates a layer that treats the calls with a [`UnaryCall`] in their extensions as unary.
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
