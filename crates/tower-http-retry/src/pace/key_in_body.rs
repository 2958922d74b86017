//! The part of a pace's key that stands in a request's body.

use bytes::Bytes;
use http::Extensions;
use http_retry::RequestHead;

/// Reads what the key of a pace needs of a request's body. It is for a pace whose key has
/// [two parts](http_retry::Pace::per_parts), and is set with [`SharedPace::key_in_body`](super::SharedPace::key_in_body).
///
/// A [`RetryLayer`](crate::RetryLayer) sends a request whose second part is not known while no key with the same first part
/// may hold anybody. It calls this once, if the answer tells something of a limit or the request is sent again: then the answer
/// is booked under the request's key, and the resend waits under it. A request that is sent once, and one that has to wait
/// before its first attempt, has the key that its head tells, unless the caller has read the body before.
///
/// ```
/// use std::hash::Hash;
///
/// use bytes::Bytes;
/// use http::Extensions;
/// use tower_http_retry::pace::{KeyInBody, SharedPace};
/// use tower_http_retry::{Pace, RequestHead};
///
/// /// The first byte of the body.
/// #[derive(Clone, Copy)]
/// struct First(Option<u8>);
///
/// struct ReadFirst;
///
/// impl KeyInBody for ReadFirst {
///     fn read(&self, _: &RequestHead<'_>, body: &[Bytes]) -> Extensions {
///         let mut found = Extensions::new();
///         found.insert(First(body.iter().flatten().next().copied()));
///         found
///     }
/// }
///
/// let pace = Pace::per_parts(
///     |head, mut hasher| head.header("authorization").hash(&mut hasher),
///     |head, mut hasher| {
///         let first = head.extension::<First>();
///         first.and_then(|First(first)| *first).hash(&mut hasher);
///         first.is_some()
///     },
/// );
/// let pace = SharedPace::from(pace).key_in_body(ReadFirst);
/// # let _ = pace;
/// ```
pub trait KeyInBody: Send + Sync {
    /// Reads the start of a body, as far as it was sent and is saved for a resend. The result goes into the extensions of the
    /// request, where the functions of the pace find it, and of its resends. With it, the second part of the key must be known.
    ///
    /// The pieces are empty if the body was larger than the layer saves.
    fn read(&self, head: &RequestHead<'_>, body: &[Bytes]) -> Extensions;
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::hash::Hash;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::time::Duration;

    use http::{Request, Response};
    use http_body_util::{BodyExt, Full};
    use http_retry::Pace;
    use tokio::time::Instant;
    use tower::{ServiceBuilder, service_fn};

    use super::*;
    use crate::pace::SharedPace;
    use crate::{ReplayBody, RetryLayer};

    /// The whole body.
    #[derive(Clone)]
    struct Whole(Vec<u8>);

    /// Reads the whole body, and counts how often.
    struct ReadWhole(Arc<AtomicUsize>);

    impl KeyInBody for ReadWhole {
        fn read(&self, _: &RequestHead<'_>, body: &[Bytes]) -> Extensions {
            self.0.fetch_add(1, Relaxed);
            let mut found = Extensions::new();
            found.insert(Whole(body.concat()));
            found
        }
    }

    /// Each body is a key. The server refuses `b` for the first three seconds.
    #[tokio::test(start_paused = true)]
    async fn a_body_is_read_only_where_its_key_matters() {
        let reads = Arc::<AtomicUsize>::default();
        let pace = Pace::per_parts(
            |_, _| (),
            |head, mut hasher| {
                let whole = head.extension::<Whole>();
                whole.map(|Whole(whole)| whole).hash(&mut hasher);
                whole.is_some()
            },
        );
        let pace = SharedPace::from(pace).key_in_body(ReadWhole(Arc::clone(&reads)));
        let began = Instant::now();
        let server = service_fn(move |request: Request<ReplayBody<Full<Bytes>>>| async move {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let is_refused = body == "b" && began.elapsed() < Duration::from_secs(3);
            let response = match is_refused {
                true => Response::builder().status(429).header("retry-after", 3),
                false => Response::builder(),
            };
            Ok::<_, Infallible>(response.body(Full::<Bytes>::default()).unwrap())
        });
        let layer = RetryLayer::default().pace(pace.clone());
        let client = ServiceBuilder::new().layer(layer).service(server);
        let send = async |body: &'static str| {
            let request = Request::put("/").body(Full::from(body)).unwrap();
            let status = client.clone().oneshot(request).await.unwrap().status().as_u16();
            (status, began.elapsed().as_secs(), reads.load(Relaxed))
        };
        let head = Request::put("/").body(()).unwrap();
        assert_eq!(send("a").await, (200, 0, 0));
        assert!(!pace.may_hold(&RequestHead::from(&head)));
        assert_eq!(send("b").await, (200, 3, 1), "the resend has the key of the first attempt");
        assert!(pace.may_hold(&RequestHead::from(&head)));
        assert_eq!(send("a").await, (200, 3, 1), "a request that waits goes by its head");
    }

    /// The header `x-key` is the key of a request that has it. The server refuses the first request.
    #[tokio::test(start_paused = true)]
    async fn no_body_is_read_for_a_key_that_the_head_tells() {
        let reads = Arc::<AtomicUsize>::default();
        let pace = Pace::per_parts(
            |_, _| (),
            |head, mut hasher| {
                let key = head.header("x-key");
                key.hash(&mut hasher);
                key.is_some() || head.extension::<Whole>().is_some()
            },
        );
        let pace = SharedPace::from(pace).key_in_body(ReadWhole(Arc::clone(&reads)));
        let calls = AtomicUsize::new(0);
        let server = service_fn(|_: Request<ReplayBody<Full<Bytes>>>| {
            let response = match calls.fetch_add(1, Relaxed) {
                0 => Response::builder().status(429).header("retry-after", 3),
                _ => Response::builder(),
            };
            async { Ok::<_, Infallible>(response.body(Full::<Bytes>::default()).unwrap()) }
        });
        let client = ServiceBuilder::new().layer(RetryLayer::default().pace(pace.clone())).service(server);
        let request = |key| Request::put("/").header("x-key", key).body(Full::from("body")).unwrap();
        let began = Instant::now();
        assert_eq!(client.clone().oneshot(request("a")).await.unwrap().status(), 200);
        assert_eq!((began.elapsed().as_secs(), reads.load(Relaxed)), (3, 0));
        let keys: Vec<_> = ["a", "b"].map(|key| pace.report(&RequestHead::from(&request(key)))).into();
        assert!(keys[0] != keys[1], "the refusal is booked under the whole key: {keys:?}");
    }
}
