//! Layers that decide where a request goes.

use http_body_util::combinators::UnsyncBoxBody;
use tower::balance::p2c::Balance;
use tower::discover::ServiceList;
use tower::load::Constant;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt};
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_http::map_request_body::MapRequestBodyLayer;
use tower_http_retry::{RetryInfo, RetryOverride};

use super::{check_sent, retry};
use crate::support::upstream::Upstream;
use crate::support::{Answer, HandedOn, Inner, Sent, assert_status, get, status, with_header};

/// An endpoint that always fails, and one that never does.
fn endpoints() -> [Upstream; 2] {
    [Upstream::statuses([503]), Upstream::statuses([200])]
}

/// Sends many requests; how many failed, and how many would have, if they had not been resent.
async fn send_many(mut client: impl Service<Sent, Response = HandedOn, Error = BoxError>) -> (usize, usize) {
    let (mut failed, mut rescued) = (0, 0);
    for _ in 0..60 {
        let response = client.ready().await.unwrap().call(get("/")).await.unwrap();
        let is_resent = response.extensions().get::<RetryInfo>().is_some_and(|info| info.attempts() > 1);
        failed += usize::from(!response.status().is_success());
        rescued += usize::from(response.status().is_success() && is_resent);
    }
    (failed, rescued)
}

pub(super) async fn balance_outside() {
    let [bad, good] = endpoints();
    let layer = retry().budget(None);
    let services = [&bad, &good].map(|endpoint| Constant::new(layer.layer(endpoint.handle()), 0));
    let (failed, rescued) = send_many(Balance::new(ServiceList::new::<Sent>(services))).await;
    assert_eq!((bad.sent(), good.sent(), rescued), (failed * 3, 60 - failed, 0));
    assert!(failed > 0);
}

pub(super) async fn balance_inside() {
    let [bad, good] = endpoints();
    let services = [&bad, &good].map(|endpoint| Constant::new(endpoint.handle(), 0));
    let balance = Balance::new(ServiceList::new::<Inner>(services));
    let client = ServiceBuilder::new().layer(retry().budget(None)).buffer(8).service(balance);
    let (_, rescued) = send_many(client).await;
    assert!(rescued > 0);
}

const PAGE: &str = "http://host.example/page";

/// Sends from the page to the answer.
fn redirect() -> Answer {
    with_header(303, "location", "/answer")
}

pub(super) async fn redirect_outside() {
    let script = |number| match number {
        1 => redirect(),
        2 => status(503),
        _ => status(200),
    };
    for (preserve, sends) in [(false, 3), (true, 2)] {
        let upstream = Upstream::answers(script);
        let redirects = FollowRedirectLayer::new().preserve_extensions(preserve);
        let client = ServiceBuilder::new().layer(redirects.clone()).layer(retry()).service(upstream.handle());
        assert_status(&client.oneshot(get(PAGE)).await.unwrap(), 200);
        check_sent(&upstream, [("/page", 0), ("/answer", 0), ("/answer", 1_000)]);

        let upstream = Upstream::answers(script);
        let client = ServiceBuilder::new().layer(redirects).layer(retry()).service(upstream.handle());
        let mut once = get(PAGE);
        once.extensions_mut().insert(RetryOverride::never());
        client.oneshot(once).await.unwrap();
        assert_eq!(upstream.sent(), sends);
    }
}

pub(super) async fn redirect_inside() {
    let upstream = Upstream::answers(|number| match number {
        1 | 3 => redirect(),
        2 => status(503),
        _ => status(200),
    });
    let client = ServiceBuilder::new()
        .layer(retry())
        .layer(MapRequestBodyLayer::new(UnsyncBoxBody::new))
        .layer(FollowRedirectLayer::new())
        .service(upstream.handle());
    assert_status(&client.oneshot(get(PAGE)).await.unwrap(), 200);
    check_sent(&upstream, [("/page", 0), ("/answer", 0), ("/page", 1_000), ("/answer", 1_000)]);
}
