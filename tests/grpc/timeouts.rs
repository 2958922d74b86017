//! The `grpc-timeout` of a call, which bounds all of its attempts together.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_http_retry::tower_retry::TowerPolicy;
use tower_http_retry::{Pace, RetryLayer, grpc, presets};

type Call = Request<Empty<Bytes>>;

fn request(timeout: &str, content_type: &str) -> Call {
    Request::post("http://api.example/shop.Orders/List")
        .header("content-type", content_type)
        .header("grpc-timeout", timeout)
        .body(Empty::new())
        .unwrap()
}

/// The timeouts of the attempts that a server got.
type Timeouts = Arc<Mutex<Vec<String>>>;

/// Returns a server that notes the timeouts of calls, takes 1 s for each, and asks for a pause of 2 s.
fn server<B: Send + 'static>(
    seen: &Timeouts,
) -> impl Service<Request<B>, Response = Response<Empty<Bytes>>, Error = Infallible, Future: Send> + Clone + use<B>
{
    let timeouts = Arc::clone(seen);
    service_fn(move |request: Request<B>| {
        timeouts.lock().unwrap().push(request.headers()["grpc-timeout"].to_str().unwrap().to_owned());
        async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let response =
                Response::builder().header("grpc-status", "14").header("grpc-retry-pushback-ms", "2000");
            Ok(response.body(Empty::new()).unwrap())
        }
    })
}

fn seconds(value: &str) -> f64 {
    grpc::timeout(request(value, "application/grpc").headers()).unwrap().as_secs_f64()
}

/// Checks the timeouts of the attempts, in seconds. Each resend starts 3 s after the attempt before it.
#[track_caller]
fn check(seen: &Mutex<Vec<String>>, expected: &[f64]) {
    let seen: Vec<_> = seen.lock().unwrap().iter().map(|value| seconds(value)).collect();
    assert_eq!(seen.len(), expected.len(), "{seen:?}");
    for (seen, expected) in seen.iter().zip(expected) {
        assert!((expected - 0.1..=*expected).contains(seen), "{seen} {expected}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_resend_carries_what_is_left() {
    for (timeout, expected) in [
        ("20S", &[20.0, 17.0, 14.0][..]),
        ("6S", &[6.0, 3.0][..]),
        // A resend after 3 s would be too late.
        ("2500m", &[2.5][..]),
    ] {
        let seen = Timeouts::default();
        let server = self::server(&seen);
        presets::grpc().layer(server).oneshot(request(timeout, "application/grpc")).await.unwrap();
        check(&seen, expected);

        let seen = Timeouts::default();
        let server = self::server(&seen);
        let layer: RetryLayer<_> = presets::grpc();
        let retry = tower::retry::Retry::new(TowerPolicy::new(layer), server);
        retry.oneshot(request(timeout, "application/grpc+proto")).await.unwrap();
        check(&seen, expected);
    }
}

/// The time in a queue is the caller's too.
#[tokio::test(start_paused = true)]
async fn the_wait_for_a_pace_counts() {
    let seen = Timeouts::default();
    let server = self::server(&seen);
    let layer = presets::grpc().pace(Pace::per_authority());
    layer.layer(server).oneshot(request("20S", "application/grpc")).await.unwrap();
    check(&seen, &[20.0, 17.0, 14.0]);
}

#[tokio::test(start_paused = true)]
async fn other_timeouts_stay_as_they_are() {
    for (timeout, content_type) in [("soon", "application/grpc"), ("4S", "application/json")] {
        let seen = Timeouts::default();
        let server = self::server(&seen);
        presets::grpc().layer(server).oneshot(request(timeout, content_type)).await.unwrap();
        assert_eq!(*seen.lock().unwrap(), [timeout; 3], "{content_type}");
    }
    // A layer of the user's own leaves the header alone.
    let seen = Timeouts::default();
    let server = self::server(&seen);
    RetryLayer::new(grpc::Grpc::default())
        .layer(server)
        .oneshot(request("20S", "application/grpc"))
        .await
        .unwrap();
    check(&seen, &[20.0, 20.0, 20.0]);
}
