//! The pace without a retry, and next to one.

use std::io;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tower::util::BoxCloneService;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt};
use tower_http_retry::pace::{PaceFuture, PaceService, SharedPace};
use tower_http_retry::{Pace, PaceError, PaceLayer, RetryLayer};

use super::{MS, SECOND, busy, close, crowd, numbered, per_authority, sends};
use crate::support::upstream::Upstream;
use crate::support::{HandedOn, Sent, assert_status, eventually, refuse, reset, status};

/// A client of somebody's.
struct Client {
    paced: PaceService<Upstream>,
}

#[tokio::test(start_paused = true)]
async fn a_struct_field_names_the_service_and_the_inner_one_can_be_seen() {
    let upstream = Upstream::statuses([200]);
    let mut client = Client { paced: PaceLayer::new(Pace::per_authority()).layer(upstream.handle()) };
    let sent: PaceFuture<Upstream, _> = client.paced.call(numbered(1));
    assert_status(&sent.await.unwrap(), 200);
    assert_eq!(client.paced.get_ref().sent(), 1);
    assert_eq!(client.paced.clone().get_ref().sent(), 1);
}

#[test]
fn the_types_go_across_threads() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    fn sent<T: Send + 'static>(_: &T) {}
    shared::<SharedPace>();
    shared::<PaceLayer>();
    shared::<PaceService<Upstream>>();
    let mut client = PaceLayer::new(Pace::per_authority()).layer(Upstream::statuses([200]));
    sent(&client.call(numbered(1)));
}

#[test]
fn debug_says_what_it_is() {
    #[derive(Clone, Debug)]
    struct Plain;
    let layer = PaceLayer::new(Pace::per_authority()).max_wait(SECOND);
    assert!(format!("{layer:?}").starts_with("PaceLayer { pace: Pace { settings: "), "{layer:?}");
    assert!(format!("{layer:?}").contains("longest: 120s"), "{layer:?}");
    assert!(format!("{:?}", layer.layer(Plain)).starts_with("PaceService { inner: Plain, pace: Pace {"));
    let retry = RetryLayer::<_>::default().pace(per_authority());
    assert!(format!("{retry:?}").contains("pace: Some(Pace {"), "{retry:?}");
}

/// Whatever comes back is the caller's: nothing is sent again.
#[tokio::test(start_paused = true)]
async fn nothing_is_sent_twice() {
    let upstream = Upstream::new(|number| match number {
        1 => Err(reset()),
        2 => Ok(status(500)),
        3 => Ok(busy(1)),
        _ => Ok(status(200)),
    });
    let client = PaceLayer::new(Pace::per_authority()).layer(upstream.handle());
    let start = Instant::now();
    let error = client.clone().oneshot(numbered(1)).await.unwrap_err();
    let error = error.into_inner().unwrap();
    assert_eq!(error.downcast::<io::Error>().unwrap().kind(), reset().kind());
    for (number, code) in [(2, 500), (3, 429), (4, 200)] {
        assert_status(&client.clone().oneshot(numbered(number)).await.unwrap(), code);
    }
    assert_eq!(sends(&upstream, start), [(1, 0), (2, 0), (3, 0), (4, 0)]);
}

/// What one layer hears holds the callers of the other, and they stand in one queue.
#[tokio::test(start_paused = true)]
async fn two_layers_share_a_pace() {
    let pace = per_authority();
    let upstream = Upstream::statuses([200]);
    let retried = RetryLayer::default().pace(pace.clone()).layer(upstream.handle());
    let paced = PaceLayer::new(pace.clone()).layer(upstream.handle());
    close(&pace, 1).await;
    let start = Instant::now();
    let mut tasks = Vec::new();
    for number in 1..=6 {
        let (retried, paced) = (retried.clone(), paced.clone());
        tasks.push(tokio::spawn(async move {
            match number % 2 {
                1 => retried.oneshot(numbered(number)).await.unwrap().map(drop),
                _ => paced.oneshot(numbered(number)).await.unwrap().map(drop),
            }
        }));
    }
    sleep(MS).await;
    assert_eq!((upstream.sent(), pace.waiting()), (0, 6));
    for task in tasks {
        assert_status(&eventually(task).await.unwrap(), 200);
    }
    let numbers: Vec<_> = sends(&upstream, start).into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
}

/// Clones of a layer share its pace; another layer of the same settings does not.
#[tokio::test(start_paused = true)]
async fn clones_of_a_layer_share_its_pace() {
    let layer = PaceLayer::new(Pace::per_authority());
    refuse(&layer, || numbered(1), "1").await;
    let held = async |layer: &PaceLayer| {
        let start = Instant::now();
        layer.layer(Upstream::statuses([200])).oneshot(numbered(2)).await.unwrap();
        start.elapsed()
    };
    assert_eq!(held(&PaceLayer::new(Pace::per_authority())).await, Duration::ZERO);
    assert_eq!(held(&layer).await, SECOND);
}

/// Outside of a retry layer it paces callers, and inside attempts.
#[tokio::test(start_paused = true)]
async fn it_fits_above_and_below_a_retry_layer() {
    let check = async |client: BoxCloneService<Sent, HandedOn, BoxError>, upstream: Upstream| {
        for response in eventually(crowd(&client, 20)).await {
            assert_status(&response.unwrap(), 200);
        }
        assert_eq!(upstream.sent(), 21);
    };
    let upstream = || Upstream::answers(|number| if number == 1 { busy(1) } else { status(200) });
    let below = upstream();
    let client = ServiceBuilder::new()
        .layer(RetryLayer::default())
        .map_err(PaceError::flatten)
        .layer(PaceLayer::new(Pace::per_authority()))
        .service(below.handle());
    check(BoxCloneService::new(client), below).await;

    let above = upstream();
    let client = ServiceBuilder::new()
        .map_err(PaceError::flatten)
        .layer(PaceLayer::new(Pace::per_authority()))
        .layer(RetryLayer::default())
        .service(above.handle());
    // The retry hides the refusal from the pace.
    check(BoxCloneService::new(client), above).await;
}
