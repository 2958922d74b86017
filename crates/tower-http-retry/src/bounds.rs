//! What the layer asks of the service and the body that it wraps, so that the compiler says it in words.

use bytes::Bytes;
use http_body::Body;

use crate::BoxError;

/// A service that can be cloned, as every service that sends more than one request at a time can.
///
/// Implemented for all that are [`Clone`]. A [`RetryLayer`](crate::RetryLayer) asks it of the service that it wraps.
#[diagnostic::on_unimplemented(
    message = "the retry layer cannot wrap `{Self}`, because it is not `Clone`",
    label = "this inner service is not `Clone`",
    note = "derive `Clone` for it, or put `tower::buffer::BufferLayer` below the retry layer"
)]
pub trait CloneService: Clone {}

#[diagnostic::do_not_recommend]
impl<S: Clone> CloneService for S {}

/// A body that can be kept for a resend: one whose data is `Bytes`, which are shared and not copied.
///
/// Implemented for all bodies of that kind. A [`RetryLayer`](crate::RetryLayer) and a [`ReplaySource`](crate::ReplaySource) ask it
/// of what they keep.
#[diagnostic::on_unimplemented(
    message = "the retry layer cannot keep the body `{Self}` for a resend, because its data is not `Bytes`",
    label = "this is not a `Body<Data = Bytes>` with an error that converts into `BoxError`",
    note = "convert its frames with `http_body_util::BodyExt::map_frame`: `frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))`"
)]
pub trait BytesBody: Body<Data = Bytes, Error: Into<BoxError>> {}

#[diagnostic::do_not_recommend]
impl<B: Body<Data = Bytes, Error: Into<BoxError>>> BytesBody for B {}
