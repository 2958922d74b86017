//! Bounds on the inner service and on the body, which make the compiler explain a mistake in words.
//! [`compile_errors`](crate::guide::compile_errors) has the line to write for each.

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::{BoxError, ReplayBody};

/// A service that is [`Clone`], as every service that sends several requests at a time is.
///
/// Every [`Clone`] service implements it. A [`RetryLayer`](crate::RetryLayer) requires it of the service that
/// it wraps.
#[diagnostic::on_unimplemented(
    message = "the retry layer cannot wrap `{Self}`, because it is not `Clone`",
    label = "this inner service is not `Clone`",
    note = "derive `Clone` for it, or put `tower::buffer::BufferLayer` below the retry layer"
)]
pub trait CloneService: Clone {}

#[diagnostic::do_not_recommend]
impl<S: Clone> CloneService for S {}

/// A service that a [`Retry`](crate::Retry) can send a request with a body `B` through.
///
/// Every `Service<Request<ReplayBody<B>>>` whose response is a [`http::Response`] implements it, and nothing
/// else can. [`Retry::oneshot`](crate::Retry::oneshot) requires it, so that the compiler explains a service
/// that takes something else.
/// [The guide](crate::guide::compile_errors#the-clients-type-names-another-body) shows one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not take `Request<ReplayBody<{B}>>`, which is what the retry layer sends",
    label = "this inner service is not a `Service<Request<ReplayBody<{B}>>>` that answers with a `http::Response`",
    note = "a client whose type names its body must name the layer's: write `Client<_, ReplayBody<Full<Bytes>>>`, not `Client<_, Full<Bytes>>`",
    note = "a `reqwest::Client` becomes such a service by `tower_http_retry::reqwest::ReqwestService::new(client)`"
)]
pub trait InnerService<B>:
    Service<Request<ReplayBody<B>>, Response = Response<Self::ResponseBody>> + sealed::Sealed<B>
{
    /// The body of the service's responses.
    type ResponseBody;
}

#[diagnostic::do_not_recommend]
impl<S, B, R> InnerService<B> for S
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>>,
{
    type ResponseBody = R;
}

/// A body that the layer can save for a resend. Its data is `Bytes`, which attempts share without a copy.
///
/// Every [`Body`] of that kind implements it. A [`RetryLayer`](crate::RetryLayer) and a
/// [`ReplaySource`](crate::body::ReplaySource) require it of the body that they save.
#[diagnostic::on_unimplemented(
    message = "the retry layer cannot keep the body `{Self}` for a resend, because it is not a body of `Bytes`",
    label = "this is not a `Body<Data = Bytes>` with an error that converts into `BoxError`",
    note = "wrap bytes in `http_body_util::Full::from(..)`, and write `Full::<Bytes>::default()` for no body",
    note = "convert the frames of a body with other data with `http_body_util::BodyExt::map_frame`: `frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))`"
)]
pub trait BytesBody: Body<Data = Bytes, Error: Into<BoxError>> {}

#[diagnostic::do_not_recommend]
impl<B: Body<Data = Bytes, Error: Into<BoxError>>> BytesBody for B {}

mod sealed {
    use http::Request;
    use tower_service::Service;

    use crate::ReplayBody;

    /// Only this crate can name the trait.
    #[expect(unnameable_types, reason = "no other crate implements it")]
    pub trait Sealed<B> {}

    #[diagnostic::do_not_recommend]
    impl<S: Service<Request<ReplayBody<B>>>, B> Sealed<B> for S {}
}
