//! What the policy is asked, and when.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use http::Method;
use http_retry::Budget;
use tower::ServiceBuilder;
use tower_http_retry::policy::FixedDelay;
use tower_http_retry::{Attempt, Plan, Policy, RequestHead, RetryContext, RetryLayer, Verdict, rules};

use crate::support::listener::unused_address;
use crate::support::raw::{Deed, RawServer};
use crate::support::upstream::Upstream;
use crate::support::{A_SECOND, QUICKLY, assert_status, client, eventually, get, request, soon};

/// Remembers what it was asked.
#[derive(Default)]
struct Asked {
    keep: AtomicUsize,
    classified: Mutex<Vec<u32>>,
    scheduled: AtomicUsize,
}

struct Spy(Arc<Asked>, bool);

impl Policy for Spy {
    fn is_retryable(&self, _: &RequestHead<'_>) -> bool {
        self.0.keep.fetch_add(1, Ordering::SeqCst);
        self.1
    }

    fn classify(&self, attempt: &Attempt<'_>) -> Verdict {
        self.0.classified.lock().unwrap().push(attempt.number);
        rules::classify(attempt)
    }

    fn schedule(&self, context: &RetryContext<'_>) -> Plan {
        self.0.scheduled.fetch_add(1, Ordering::SeqCst);
        A_SECOND.schedule(context)
    }
}

/// Trap 2: whether a request may ever be sent again is settled before it is sent.
#[tokio::test(start_paused = true)]
async fn eligibility_is_decided_once() {
    let asked = Arc::<Asked>::default();
    let upstream = Upstream::statuses([429]);
    let client =
        ServiceBuilder::new().layer(RetryLayer::new(Spy(asked.clone(), true))).service(upstream.handle());
    client.oneshot(get("/")).await.unwrap();
    assert_eq!(upstream.sent(), 3);
    assert_eq!(asked.keep.load(Ordering::SeqCst), 1);
}

/// Trap 2: one that may not is sent once, and nobody is asked about what comes of it.
#[tokio::test(start_paused = true)]
async fn a_request_out_of_scope_is_never_sent_again() {
    let asked = Arc::<Asked>::default();
    for method in [Method::GET, Method::POST] {
        let upstream = Upstream::statuses([429]);
        let client = ServiceBuilder::new()
            .layer(RetryLayer::new(Spy(asked.clone(), false)))
            .service(upstream.handle());
        let response = client.oneshot(request(method, "http://elsewhere/", "text")).await.unwrap();
        assert_status(&response, 429);
        assert_eq!(upstream.sent(), 1);
    }
    assert!(asked.classified.lock().unwrap().is_empty());
    assert_eq!(asked.scheduled.load(Ordering::SeqCst), 0);
}

/// Trap 2, by the combinator.
#[tokio::test(start_paused = true)]
async fn only_keeps_what_it_names() {
    let policy = || A_SECOND.only(|head| head.authority() == Some("mine"));
    for (uri, sent) in [("http://mine/", 3), ("http://elsewhere/", 1)] {
        let upstream = Upstream::statuses([429]);
        let client = ServiceBuilder::new().layer(RetryLayer::new(policy())).service(upstream.handle());
        client.oneshot(request(Method::POST, uri, "text")).await.unwrap();
        assert_eq!(upstream.sent(), sent, "{uri}");
    }
}

/// Trap 23: the last attempt is an outcome too.
#[tokio::test(start_paused = true)]
async fn the_policy_sees_every_outcome() {
    let asked = Arc::<Asked>::default();
    let upstream = Upstream::statuses([503]);
    let client =
        ServiceBuilder::new().layer(RetryLayer::new(Spy(asked.clone(), true))).service(upstream.handle());
    client.oneshot(get("/")).await.unwrap();
    assert_eq!(*asked.classified.lock().unwrap(), [1, 2, 3]);
}

/// Trap 23: so the budget earns by the success of the last attempt.
#[tokio::test(start_paused = true)]
async fn the_budget_hears_of_the_final_success() {
    let budget = Budget::percent(50).min_per_second(0).capacity(10);
    let layer = RetryLayer::new(A_SECOND).max_attempts(2).budget(budget.clone());
    let upstream = Upstream::statuses([500, 200]);
    let client = ServiceBuilder::new().layer(layer).service(upstream.handle());
    let response = client.oneshot(get("/")).await.unwrap();
    assert_status(&response, 200);
    assert_eq!(budget.tokens(), 9.5, "one token was spent, and half of one was earned");
}

/// Trap 25: what may have been processed is repeated only where that does no harm.
#[tokio::test]
async fn a_broken_connection_is_retried_only_where_it_does_no_harm() {
    for deed in [Deed::Reset, Deed::Close, Deed::HalfHead] {
        for (method, sent) in [(Method::GET, 2), (Method::PUT, 2), (Method::POST, 1), (Method::PATCH, 1)] {
            let server = RawServer::start([deed]).await;
            let client = ServiceBuilder::new().layer(RetryLayer::new(QUICKLY)).service(client());
            let request = request(method.clone(), &server.uri("/"), "text");
            let result = soon(client.oneshot(request)).await;
            assert_eq!(result.is_ok(), sent == 2, "{deed:?} {method}: {result:?}");
            assert_eq!(server.sent(), sent, "{deed:?} {method}");
        }
    }
}

/// Trap 25: what was never sent is sent again, whatever it is.
#[tokio::test]
async fn a_refused_connection_is_retried_for_any_method() {
    for method in [Method::GET, Method::POST, Method::PATCH] {
        let (attempts, policy) = counted(QUICKLY);
        let client = ServiceBuilder::new().layer(RetryLayer::new(policy)).service(client());
        let uri = format!("http://{}/", unused_address());
        let result = soon(client.oneshot(request(method.clone(), &uri, "text"))).await;
        assert!(result.unwrap_err().is_connect());
        assert_eq!(attempts.load(Ordering::SeqCst), 3, "{method}");
    }
}

/// A policy that counts the outcomes it is shown.
fn counted(policy: FixedDelay) -> (Arc<AtomicUsize>, impl Policy) {
    let count = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&count);
    let policy = policy.classify_with(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        None
    });
    (count, policy)
}

/// Trap 26: a resend that waits for nothing still lets the others run, and is counted.
#[tokio::test(start_paused = true)]
async fn a_resend_without_a_delay_yields_and_is_counted() {
    let turns = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&turns);
    tokio::spawn(async move {
        loop {
            counter.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
        }
    });
    let upstream = Upstream::statuses([503]);
    let policy = FixedDelay::new(std::time::Duration::ZERO);
    let layer = RetryLayer::new(policy).max_attempts(50);
    let client = ServiceBuilder::new().layer(layer).service(upstream.handle());
    eventually(client.oneshot(get("/"))).await.unwrap();
    assert_eq!(upstream.sent(), 50);
    let turns = turns.load(Ordering::SeqCst);
    assert!(turns >= 49, "the other task had {turns} turns between 50 attempts");
}

/// Trap 26: only one transparent resend is not counted.
#[tokio::test(start_paused = true)]
async fn refusals_for_ever_end_after_one_attempt_more() {
    let policy = A_SECOND.classify_with(|_| Verdict::Retry(http_retry::RetryCause::Unprocessed));
    let upstream = Upstream::statuses([421]);
    let client = ServiceBuilder::new().layer(RetryLayer::new(policy)).service(upstream.handle());
    eventually(client.oneshot(get("/"))).await.unwrap();
    assert_eq!(upstream.gaps(), [0, 1_000, 1_000]);
}
