//! Other layers outside and inside of ours. Each row of the table below is checked, and then is a line of
//! `docs/compatibility.md`.

mod bounds;
mod marks;
mod queues;
mod routes;

use std::fmt::Write;
use std::path::Path;

use futures_util::future::LocalBoxFuture;
use tower_http_retry::RetryLayer;
use tower_http_retry::markers::Boxed;
use tower_http_retry::policy::FixedDelay;

use crate::support::A_SECOND;
use crate::support::upstream::Upstream;

/// The behaviour of another layer beside the retry layer.
struct Row {
    layer: &'static str,
    outside: Fact,
    inside: Fact,
    /// Which of the two is right, and when.
    right: &'static str,
}

/// What is so, and what shows that it is.
struct Fact(&'static str, fn() -> LocalBoxFuture<'static, ()>);

const ROWS: &[Row] = &[
    Row {
        layer: "`tower::timeout`",
        outside: Fact("bounds all attempts and the waits between them; the last outcome is lost", || {
            Box::pin(bounds::timeout_outside())
        }),
        inside: Fact("bounds each attempt; one that is cut is resent if the request is idempotent", || {
            Box::pin(bounds::timeout_inside())
        }),
        right: "inside for an attempt; outside, or the layer's `max_elapsed`, which keeps the last outcome, for all",
    },
    Row {
        layer: "`tower_http::timeout`",
        outside: Fact("bounds all attempts and the waits between them; the last outcome is lost", || {
            Box::pin(bounds::http_timeout_outside())
        }),
        inside: Fact(
            "bounds each attempt; its status, 408 or 504 for example, counts as if the server had sent it",
            || Box::pin(bounds::http_timeout_inside()),
        ),
        right: "as above",
    },
    Row {
        layer: "`tower::limit::ConcurrencyLimit`",
        outside: Fact("holds its permit from the first attempt to the last, waits included", || {
            Box::pin(queues::concurrency_outside())
        }),
        inside: Fact("gives its permit back while a request waits, and to others meanwhile", || {
            Box::pin(queues::concurrency_inside())
        }),
        right: "inside",
    },
    Row {
        layer: "`tower::limit::RateLimit`",
        outside: Fact("counts requests, so that resends come on top", || Box::pin(queues::rate_outside())),
        inside: Fact(
            "counts attempts, as a server does; needs a `Buffer` around it, since it is not `Clone`",
            || Box::pin(queues::rate_inside()),
        ),
        right: "inside",
    },
    Row {
        layer: "`tower::load_shed`",
        outside: Fact("sheds requests before they begin; a resend waits until there is room", || {
            Box::pin(queues::shed_outside())
        }),
        inside: Fact(
            "sheds resends too, and what it sheds is not sent again: the caller gets `Overloaded`",
            || Box::pin(queues::shed_inside()),
        ),
        right: "outside",
    },
    Row {
        layer: "`tower::buffer`",
        outside: Fact(
            "queues requests; a request that waits for its resend takes no room in the queue",
            || Box::pin(queues::buffer_outside()),
        ),
        inside: Fact(
            "queues attempts, so that a resend comes behind those that came before it; what is in it need not be \
             `Clone`",
            || Box::pin(queues::buffer_inside()),
        ),
        right: "inside, around what is not `Clone`; else none",
    },
    Row {
        layer: "`tower::balance`",
        outside: Fact("picks an endpoint for a request, whose resends all go there", || {
            Box::pin(routes::balance_outside())
        }),
        inside: Fact(
            "picks anew for each attempt; needs a `Buffer` around it, since it is not `Clone`",
            || Box::pin(routes::balance_inside()),
        ),
        right: "inside",
    },
    Row {
        layer: "`tower_http::follow_redirect`",
        outside: Fact(
            "each hop has its own attempts, and only the one that failed is resent; a `RetryOverride` holds for the \
             first hop, unless `preserve_extensions(true)`",
            || Box::pin(routes::redirect_outside()),
        ),
        inside: Fact(
            "a resend starts over at the first URL; needs the body mapped to one that is `Default`",
            || Box::pin(routes::redirect_inside()),
        ),
        right: "outside: an error inside is about the last hop only, and hides the answer of the first",
    },
    Row {
        layer: "`tower_http::trace`",
        outside: Fact("sees one request, and the last answer", || Box::pin(marks::trace_outside())),
        inside: Fact("sees each attempt and its outcome", || Box::pin(marks::trace_inside())),
        right: "outside for the view of callers, inside for that of servers; both are possible",
    },
    Row {
        layer: "`tower_http::request_id`",
        outside: Fact("all attempts have one id", || Box::pin(marks::id_outside())),
        inside: Fact("each attempt has an id of its own", || Box::pin(marks::id_inside())),
        right: "outside, with the layer's `attempt_header` to tell the attempts apart",
    },
    Row {
        layer: "`tower_http::set_header`",
        outside: Fact("the value is made once, and resent", || Box::pin(marks::header_outside())),
        inside: Fact("the value is made anew for each attempt", || Box::pin(marks::header_inside())),
        right: "inside for what expires: a token, a date, a signature; else either",
    },
    Row {
        layer: "`tower_http::sensitive_headers`",
        outside: Fact("values are marked once, and resends keep the mark", || {
            Box::pin(marks::sensitive_outside())
        }),
        inside: Fact("values are marked on each attempt", || Box::pin(marks::sensitive_inside())),
        right: "outside, so that no layer in between shows them",
    },
    Row {
        layer: "`tower_http::catch_panic`",
        outside: Fact("a panic ends the session, and is answered with 500", || {
            Box::pin(bounds::panic_outside())
        }),
        inside: Fact("a panic becomes a 500, and is resent if the request is idempotent", || {
            Box::pin(bounds::panic_inside())
        }),
        right: "outside: a handler that panics once does so again",
    },
    Row {
        layer: "another `RetryLayer`",
        outside: Fact("multiplies: 3 attempts become 9", || Box::pin(bounds::retry_twice())),
        inside: Fact("the same", || Box::pin(bounds::retry_twice())),
        right: "neither",
    },
];

#[tokio::test(start_paused = true)]
async fn each_fact_of_the_table_is_so() {
    for Row { layer, outside, inside, .. } in ROWS {
        for (order, Fact(says, check)) in [("outside", outside), ("inside", inside)] {
            println!("{layer} {order}: {says}");
            check().await;
        }
    }
}

/// `UPDATE=1` in the environment writes the page.
#[test]
fn the_page_has_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/compatibility.md");
    let page = page();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/compatibility.md is not what the table says: UPDATE=1 cargo test -p tests"
    );
}

fn page() -> String {
    let mut page = String::from(HEAD);
    for Row { layer, outside: Fact(outside, _), inside: Fact(inside, _), right } in ROWS {
        writeln!(page, "| {layer} | {outside} | {inside} | {right} |").unwrap();
    }
    page
}

const HEAD: &str = "\
# Beside other layers

This page tells what the layers of tower and tower-http do beside the retry layer. A layer *outside* is above it, nearer to the
caller, and sees a request once. A layer *inside* is below it, nearer to the server, and sees every attempt. In a
`ServiceBuilder` the outside comes first.

The test `tests/interop/stacks.rs` checks every cell, and writes this page.

| layer | outside of the retry layer | inside of it | where to put it |
|---|---|---|---|
";

/// The layer as most checks have it: three attempts, a second apart.
fn retry() -> RetryLayer<FixedDelay, Boxed> {
    RetryLayer::new(A_SECOND)
}

/// What was sent, and when, in milliseconds after the first.
fn sent(upstream: &Upstream) -> Vec<(String, u128)> {
    let calls = upstream.calls();
    let first = calls[0].at;
    calls.iter().map(|call| (call.parts.uri.path().to_owned(), (call.at - first).as_millis())).collect()
}

#[track_caller]
fn check_sent<const N: usize>(upstream: &Upstream, expected: [(&str, u128); N]) {
    assert_eq!(sent(upstream), expected.map(|(path, at)| (path.to_owned(), at)));
}
