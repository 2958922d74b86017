//! One request and its answer, with nothing that fails.

use std::convert::Infallible;
use std::future::{Ready, ready};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::{Empty, Full};
use tower::{Layer, Service, service_fn};
use tower_http_retry::markers::{Concrete, PaceMode};
use tower_http_retry::policy::NoRetry;
use tower_http_retry::{Pace, Policy, ReplayBody, RetryLayer};

/// A request, to a server that answers at once.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Header lines.
    pub headers: usize,
    /// Bytes of the body, in one frame.
    pub body: usize,
}

type Answer = Ready<Result<Response<Empty<Bytes>>, Infallible>>;

impl Call {
    /// Counts the allocations of the layer for it, with the layer's defaults.
    pub fn measure<T>(self, count: impl FnOnce(&mut dyn FnMut()) -> T) -> T {
        self.measure_through(RetryLayer::default(), count)
    }

    /// Counts the same where it is never sent again.
    pub fn measure_once<T>(self, count: impl FnOnce(&mut dyn FnMut()) -> T) -> T {
        self.measure_through(RetryLayer::new(NoRetry).max_attempts(1), count)
    }

    /// Counts the same with a pace whose key is free.
    pub fn measure_paced<T>(self, count: impl FnOnce(&mut dyn FnMut()) -> T) -> T {
        self.measure_through(RetryLayer::default().pace(Pace::per_credential()), count)
    }

    /// The bytes of the layer's future beyond those of the attempt's and of the service.
    pub fn future_size() -> usize {
        fn size<S: Service<Request<Full<Bytes>>>>(_: &S) -> usize {
            size_of::<S::Future>()
        }
        let server = service_fn(answer);
        let whole = size(&RetryLayer::default().layer(server));
        whole - size_of::<Answer>() - size_of_val(&server)
    }

    fn measure_through<P: Policy, G: PaceMode<Infallible, Concrete>, T>(
        self,
        layer: RetryLayer<P, Concrete, G>,
        count: impl FnOnce(&mut dyn FnMut()) -> T,
    ) -> T {
        let mut client = layer.layer(service_fn(answer));
        // What is made once for all requests is made by the first.
        let [first, second] = [self.request(), self.request()];
        drop(client.call(first).now_or_never());
        let mut second = Some(second);
        count(&mut || {
            let second = second.take().expect("it is counted once");
            let answer = client.call(second).now_or_never();
            assert!(answer.is_some(), "the server waits for nothing");
        })
    }

    fn request(self) -> Request<Full<Bytes>> {
        let body = Bytes::from(vec![0; self.body]);
        // Those of a `Vec` are shared from their first clone on, for which `bytes` allocates.
        drop(body.clone());
        let mut request = Request::new(Full::new(body));
        if self.body > 0 {
            *request.method_mut() = Method::POST;
        }
        *request.uri_mut() = http::Uri::from_static("http://api.example/v1/things?of=yours");
        for number in 0..self.headers {
            // They own their bytes, and so would their clones.
            let value = format!("the value of line {number}");
            let name = HeaderName::try_from(format!("x-header-{number}")).expect("it is lower-case ASCII");
            request.headers_mut().append(name, HeaderValue::try_from(value).expect("it is visible ASCII"));
        }
        request
    }
}

/// A function, so that its service has no size.
fn answer(_: Request<ReplayBody<Full<Bytes>>>) -> Answer {
    ready(Ok(Response::new(Empty::new())))
}
