//! Requests that wait in a pace, and the memory that they hold.

use std::future::{pending, ready};
use std::mem::take;
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
            let server = service_fn(|_: Request<Full<Bytes>>| ready(busy()));
            measure(PaceLayer::new(Pace::per_authority()).timer(Still).layer(server), requests, count)
        }
        Wait::Retried => {
            let server = service_fn(|_: Request<ReplayBody<Full<Bytes>>>| ready(busy()));
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
    // The one that finds out that the server wants quiet.
    let first = client.call(request()).now_or_never();
    assert!(first.is_some(), "the server answers at once");
    let mut requests: Vec<_> = (0..requests).map(|_| request()).collect();
    let mut line = Vec::with_capacity(requests.len());
    count(&mut || {
        // Its memory goes back in here, because the requests move out of it into what waits.
        for request in take(&mut requests) {
            let mut sent = Box::pin(client.call(request));
            assert!(sent.as_mut().now_or_never().is_none(), "it has to wait");
            line.push(sent);
        }
    })
}

fn request() -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    *request.uri_mut() = http::Uri::from_static("http://api.example/");
    request
}

fn busy() -> Result<Response<Full<Bytes>>, BoxError> {
    Ok(Response::builder().status(429).header("retry-after", "60").body(Full::default())?)
}

/// Time that stands still.
#[derive(Clone, Copy, Debug)]
struct Still;

impl Timer for Still {
    fn sleep(&self, _: Duration) -> Sleep {
        Box::pin(pending())
    }
}
