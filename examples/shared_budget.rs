//! Clients share a budget: the tokens that one spends on retries are gone for the other.
//!
//! `cargo run --example shared_budget`

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_http_retry::body::ResponseBody;
use tower_http_retry::policy::FixedDelay;
use tower_http_retry::{Budget, ReplayBody, RetryInfo, RetryLayer};

type Body = Full<Bytes>;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    // The budget starts with 4 tokens, and a success adds a fifth of one. Without this line each layer has a larger
    // budget of its own.
    let budget = Budget::percent(20).min_per_second(0).capacity(4);
    let (orders, stock) = (client("orders", 500, &budget), client("stock", 500, &budget));
    let prices = client("prices", 200, &budget);

    call(&orders, &budget).await?;
    call(&orders, &budget).await?;
    call(&stock, &budget).await?;
    for _ in 0..5 {
        call(&prices, &budget).await?;
    }
    call(&stock, &budget).await?;
    Ok(())
}

/// Creates a client of a server that always answers with this status.
fn client(
    name: &'static str,
    status: u16,
    budget: &Budget,
) -> impl Service<Request<Body>, Response = Response<ResponseBody<String>>, Error = BoxError> + Clone + use<>
{
    let server = service_fn(move |_: Request<ReplayBody<Body>>| async move {
        Ok::<_, BoxError>(Response::builder().status(status).body(name.to_owned())?)
    });
    let policy = FixedDelay::new(Duration::from_millis(1));
    ServiceBuilder::new().layer(RetryLayer::new(policy).budget(budget.clone())).service(server)
}

/// Prints how often the client sent a request, and why it gave up.
async fn call<C>(client: &C, budget: &Budget) -> Result<(), BoxError>
where
    C: Service<Request<Body>, Response = Response<ResponseBody<String>>, Error = BoxError> + Clone,
{
    let response = client.clone().oneshot(Request::new(Body::default())).await?;
    let name = response.body().get_ref();
    match response.extensions().get::<RetryInfo>() {
        None => print!("{name}: sent once"),
        Some(info) => print!("{name}: sent {} times, gave up: {:?}", info.attempts(), info.reason()),
    }
    println!("; {:.1} tokens left", budget.tokens());
    Ok(())
}
