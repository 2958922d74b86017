//! Requests that wait in a pace, and the memory that they hold.

use std::future::poll_fn;
use std::mem::take;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::Full;
use tower::{BoxError, Layer, Service, service_fn};
use tower_http_retry::timer::{Sleep, Timer};
use tower_http_retry::{Pace, PaceLayer, ReplayBody, RetryLayer};

/// How requests wait.
#[derive(Clone, Copy, Debug)]
pub enum Wait {
    /// With a `PaceLayer`.
    Alone,
    /// With a `RetryLayer` that has a pace.
    Retried,
}

/// Counts the memory of `requests` that wait for a server which wants quiet, without the requests themselves.
pub fn waiting<T>(requests: usize, wait: Wait, count: impl FnOnce(&mut dyn FnMut()) -> T) -> T {
    match wait {
        Wait::Alone => {
            let server = service_fn(|_: Request<Full<Bytes>>| busy());
            measure(PaceLayer::new(Pace::per_authority()).timer(Still).layer(server), requests, count)
        }
        Wait::Retried => {
            let server = service_fn(|_: Request<ReplayBody<Full<Bytes>>>| busy());
            let layer = RetryLayer::default().max_attempts(1).max_elapsed(None).timer(Still);
            // A request that may be sent again also keeps its head, which has a bench of its own.
            measure(layer.pace(Pace::per_authority()).layer(server), requests, count)
        }
    }
}

fn measure<S, T>(mut client: S, requests: usize, count: impl FnOnce(&mut dyn FnMut()) -> T) -> T
where
    S: Service<Request<Full<Bytes>>>,
{
    // These find out that the server wants quiet: they are in flight together, and so many refusals in a row are no chance.
    let mut refused: Vec<_> = (0..REFUSALS).map(|_| Box::pin(client.call(request()))).collect();
    for expected in [false, true] {
        for sent in &mut refused {
            assert_eq!(
                sent.as_mut().now_or_never().is_some(),
                expected,
                "the server answers at the second poll"
            );
        }
    }
    drop(refused);
    let mut requests: Vec<_> = (0..requests).map(|_| request()).collect();
    let mut waiting = Vec::with_capacity(requests.len());
    count(&mut || {
        // Its memory goes back in here, because the requests move out of it into what waits.
        for request in take(&mut requests) {
            let mut sent = Box::pin(client.call(request));
            assert!(sent.as_mut().now_or_never().is_none(), "it has to wait");
            waiting.push(sent);
        }
    })
}

fn request() -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    *request.uri_mut() = http::Uri::from_static("http://api.example/");
    request
}

/// The answer comes at the second poll.
async fn busy() -> Result<Response<Full<Bytes>>, BoxError> {
    let mut is_first = true;
    poll_fn(|_| if take(&mut is_first) { Poll::Pending } else { Poll::Ready(()) }).await;
    Ok(Response::builder().status(429).header("retry-after", "60").body(Full::default())?)
}

/// The number of refusals in a row after which all requests wait.
const REFUSALS: usize = 16;

/// Time that stands still.
#[derive(Clone, Copy, Debug)]
struct Still;

impl Timer for Still {
    fn sleep(&self, _: Duration) -> Sleep {
        Box::pin(Never([0; size_of::<tokio::time::Sleep>()]))
    }
}

/// A sleep that does not end, and takes the memory of tokio's.
struct Never(#[expect(dead_code, reason = "only its size matters")] [u8; size_of::<tokio::time::Sleep>()]);

impl Future for Never {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}
