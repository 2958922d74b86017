//! What errors say of how far a request got, read from the real thing wherever it can be had.

mod connect;
mod http1;
mod http2;
mod local;
mod sources;

use std::sync::{Arc, Mutex};

use http::{Method, Response};
use http_body::Body;
use tower::{Layer, Service};
use tower_http_retry::markers::ReadError;
use tower_http_retry::{FailureKind, Outcome, Policy, RetryLayer};

use crate::support::upstream::Upstream;
use crate::support::{Answer, Inner, QUICKLY, request, soon};

/// Sends a request through the layer over `service`, and tells how each attempt failed that did.
async fn failures<S, R, M>(service: S, method: Method, uri: &str) -> Vec<FailureKind>
where
    S: Service<Inner, Response = Response<R>> + Clone,
    S::Error: ReadError<M>,
    R: Body + Unpin,
{
    let kinds = Arc::<Mutex<Vec<FailureKind>>>::default();
    let log = Arc::clone(&kinds);
    let policy = QUICKLY.classify_with(move |attempt| {
        if let Outcome::Failure(failure) = attempt.outcome {
            log.lock().unwrap().push(failure.kind());
        }
        None
    });
    let client = RetryLayer::<_, M>::new(policy).layer(service);
    let _ = soon(client.oneshot(request(method, uri, "text"))).await;
    kinds.lock().unwrap().clone()
}

/// How an error is read, and whether the layer then acts by it: GET and POST are sent so often in three
/// attempts.
#[track_caller]
fn check<E>(error: impl Fn() -> E + Send + Sync + 'static, kind: FailureKind) -> impl Future<Output = ()>
where
    E: Into<tower_http_retry::BoxError> + 'static,
{
    let (gets, posts) = match kind {
        FailureKind::NeverSent => (3, 3),
        FailureKind::Timeout | FailureKind::MaybeProcessed => (3, 1),
        FailureKind::Overloaded | FailureKind::Permanent => (1, 1),
        // The first resend after a refusal is not counted.
        _ => (4, 4),
    };
    let text = error().into().to_string();
    let upstream = Upstream::new(move |_| Err::<Answer, _>(error()));
    async move {
        for (method, sent) in [(Method::GET, gets), (Method::POST, posts)] {
            let kinds = failures(upstream.handle(), method.clone(), "/").await;
            assert_eq!(kinds, vec![kind; sent], "{method}: {text}");
        }
    }
}
