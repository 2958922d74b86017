//! Where services go, this one goes: into struct fields, across threads, behind boxes.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use http_body_util::combinators::UnsyncBoxBody;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, Client};
use tower::timeout::{Timeout, TimeoutLayer};
use tower::util::{BoxCloneService, BoxCloneSyncService};
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt};
use tower_http_retry::markers::Boxed;
use tower_http_retry::pace::BoxedPacedRetry;
use tower_http_retry::policy::{FixedDelay, LlmPolicy};
use tower_http_retry::{
    BoxedRetry, Pace, PacedRetry, Policy, ReplayBody, Retry, RetryAfterFirst, RetryLayer, presets,
};

use crate::support::server::Server;
use crate::support::upstream::Upstream;
use crate::support::{A_SECOND, HandedOn, QUICKLY, Sent, assert_status, client, eventually, get, soon};

type Default = RetryAfterFirst;
type Hyper = Client<HttpConnector, ReplayBody<Full<Bytes>>>;

/// The fields that the documentation names, over a client whose error is concrete, and over the same client in a
/// timeout layer, whose error is boxed. No line of the test but these types tells the compiler which is which.
struct Fields {
    plain: Retry<Hyper>,
    with_policy: Retry<Hyper, FixedDelay>,
    boxed: BoxedRetry<Timeout<Hyper>>,
    boxed_with_policy: BoxedRetry<Timeout<Hyper>, FixedDelay>,
    paced: PacedRetry<Hyper>,
    paced_with_policy: PacedRetry<Hyper, LlmPolicy>,
    boxed_paced: BoxedPacedRetry<Timeout<Hyper>>,
    boxed_paced_with_policy: BoxedPacedRetry<Timeout<Hyper>, LlmPolicy>,
}

/// Each field can be named, made and called.
#[tokio::test]
async fn a_struct_field_names_the_service() {
    let timeout = &TimeoutLayer::new(std::time::Duration::from_secs(5));
    let fields = Fields {
        plain: RetryLayer::default().layer(client()),
        with_policy: ServiceBuilder::new().layer(RetryLayer::new(QUICKLY)).service(client()),
        boxed: ServiceBuilder::new().layer(RetryLayer::default()).layer(timeout).service(client()),
        boxed_with_policy: RetryLayer::new(QUICKLY).layer(timeout.layer(client())),
        paced: RetryLayer::default().pace(Pace::per_authority()).layer(client()),
        paced_with_policy: presets::llm().layer(client()),
        boxed_paced: ServiceBuilder::new()
            .layer(RetryLayer::default().pace(Pace::per_authority()))
            .layer(timeout)
            .service(client()),
        boxed_paced_with_policy: ServiceBuilder::new().layer(presets::llm()).layer(timeout).service(client()),
    };
    let server = Server::statuses([200; 8]).await;
    let get = || get(&server.uri("/"));
    assert_status(&soon(fields.plain.oneshot(get())).await.unwrap(), 200);
    assert_status(&soon(fields.with_policy.oneshot(get())).await.unwrap(), 200);
    assert_status(&soon(fields.boxed.oneshot(get())).await.unwrap(), 200);
    assert_status(&soon(fields.boxed_with_policy.oneshot(get())).await.unwrap(), 200);
    assert_status(&soon(fields.paced.oneshot(get())).await.unwrap(), 200);
    assert_status(&soon(fields.paced_with_policy.oneshot(get())).await.unwrap(), 200);
    assert_status(&soon(fields.boxed_paced.oneshot(get())).await.unwrap(), 200);
    assert_status(&soon(fields.boxed_paced_with_policy.oneshot(get())).await.unwrap(), 200);
}

/// The error of the inner service keeps its type.
#[tokio::test]
async fn the_error_keeps_its_type() {
    let server = Server::statuses([503, 200]).await;
    let mut concrete: Retry<Hyper> = RetryLayer::default().layer(client());
    let response = concrete.ready().await.unwrap().call(get(&server.uri("/")));
    let response: Result<_, legacy::Error> = soon(response).await;
    assert_status(&response.unwrap(), 200);

    let boxed: BoxedRetry<Upstream> = RetryLayer::default().layer(Upstream::statuses([200]));
    let response: Result<_, BoxError> = boxed.oneshot(get("/")).await;
    assert_status(&response.unwrap(), 200);
}

/// `ServiceBuilder` infers the marker for both kinds of error.
#[tokio::test]
async fn the_marker_is_inferred() {
    let server = Server::statuses([503, 200]).await;
    let concrete = ServiceBuilder::new().layer(RetryLayer::new(QUICKLY)).service(client());
    assert_status(&soon(concrete.oneshot(get(&server.uri("/")))).await.unwrap(), 200);

    let boxed = ServiceBuilder::new().layer(RetryLayer::new(QUICKLY)).service(Upstream::statuses([503, 200]));
    assert_status(&boxed.oneshot(get("/")).await.unwrap(), 200);

    // An error that cannot happen is an error too.
    let infallible = tower::service_fn(|_: Request<ReplayBody<Full<Bytes>>>| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let infallible = ServiceBuilder::new().layer(RetryLayer::new(QUICKLY)).service(infallible);
    assert_status(&infallible.oneshot(get("/")).await.unwrap(), 200);
}

/// Behind a box, in front of and behind other layers.
#[tokio::test(start_paused = true)]
async fn the_service_can_be_boxed() {
    let retry = || RetryLayer::new(A_SECOND).layer(Upstream::statuses([503, 200]));
    let boxed: BoxCloneService<Sent, HandedOn, BoxError> = BoxCloneService::new(retry());
    assert_status(&boxed.oneshot(get("/")).await.unwrap(), 200);
    let boxed: BoxCloneSyncService<Sent, HandedOn, BoxError> = BoxCloneSyncService::new(retry());
    assert_status(&boxed.oneshot(get("/")).await.unwrap(), 200);
    let stack = ServiceBuilder::new()
        .concurrency_limit(8)
        .timeout(std::time::Duration::from_secs(60))
        .layer(RetryLayer::new(A_SECOND))
        .timeout(std::time::Duration::from_secs(5))
        .service(Upstream::statuses([503, 200]));
    assert_status(&stack.oneshot(get("/")).await.unwrap(), 200);
}

/// A policy may be boxed, shared or borrowed for ever.
#[tokio::test(start_paused = true)]
async fn a_policy_may_be_behind_a_pointer() {
    let boxed: Box<dyn Policy> = Box::new(A_SECOND);
    let shared: std::sync::Arc<dyn Policy> = std::sync::Arc::new(A_SECOND);
    let borrowed: &'static dyn Policy = &A_SECOND;
    async fn check(policy: impl Policy) {
        let upstream = Upstream::statuses([503, 200]);
        let client = ServiceBuilder::new().layer(RetryLayer::new(policy)).service(upstream.handle());
        client.oneshot(get("/")).await.unwrap();
        assert_eq!(upstream.gaps(), [1_000]);
    }
    check(boxed).await;
    check(shared).await;
    check(borrowed).await;
}

/// What the compiler says of the types.
#[test]
fn the_types_go_across_threads() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    fn sent<T: Send + 'static>(_: &T) {}
    fn send_and_sync<T: Send + Sync>() {}

    shared::<RetryLayer>();
    shared::<RetryLayer<Default, Boxed>>();
    shared::<Retry<Hyper, Default>>();
    shared::<Retry<Upstream, Default, Boxed>>();
    // The marker is of no account.
    shared::<Retry<Upstream, Default, std::rc::Rc<()>>>();
    let call = RetryLayer::default().layer(Upstream::statuses([200])).oneshot(get("/"));
    sent(&call);

    // A body that is only `Send`, such as a boxed one, becomes `Sync`.
    send_and_sync::<ReplayBody<Full<Bytes>>>();
    send_and_sync::<ReplayBody<UnsyncBoxBody<Bytes, BoxError>>>();
}

/// So a body that is only `Send` can be uploaded from any thread.
#[tokio::test(start_paused = true)]
async fn a_body_that_is_only_send_is_replayed() {
    let upstream = Upstream::statuses([503, 200]);
    let client = ServiceBuilder::new().layer(RetryLayer::new(A_SECOND)).service(upstream.handle());
    let body = UnsyncBoxBody::<Bytes, Infallible>::new(Full::from("text"));
    let sent = tokio::spawn(client.oneshot(Request::put("/").body(body).unwrap()));
    assert_status(&eventually(sent).await.unwrap().unwrap(), 200);
    assert!(upstream.calls().iter().all(|call| call.body == "text"));
}

/// The readied inner service can be looked at, and secrets do not show.
#[test]
fn debug_shows_no_secrets() {
    #[derive(Clone, Debug)]
    struct Plain;
    let retry = RetryLayer::<_>::default().layer(Plain);
    assert!(matches!(retry.get_ref(), Plain));
    assert!(format!("{retry:?}").starts_with("Retry { inner: Plain, policy: RetryAfterFirst"));
    assert!(format!("{:?}", RetryLayer::<_>::default()).contains("attempts: 3"));
}
