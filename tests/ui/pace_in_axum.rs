//! A pace may reject a request, and the layers of a router must not fail.

use axum::Router;
use axum::routing::get;
use tower_http_retry::{Pace, RetryLayer};

fn main() {
    let _: Router = Router::new()
        .route("/stock", get("42"))
        .layer(RetryLayer::default().pace(Pace::per_authority()));
}
