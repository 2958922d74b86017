//! `reqwest-middleware` with `reqwest-retry`, and a middleware that answers in the place of the network.
//!
//! Requests and responses are reqwest's own, so what is subtracted is the same client without the retries.

use std::future::ready;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::time::Duration;

use bytes::Bytes;
use http::Extensions;
use reqwest::{Body, Client, Request, Response};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Error, Middleware, Next};
use reqwest_retry::RetryTransientMiddleware;
use reqwest_retry::policies::ExponentialBackoff;

use super::Subject;
use crate::Case;
use crate::head::Values;
use crate::send::{EXTENSION, Run, body, finish, head, values};
use crate::server::Server;
use crate::waiting::WaitFor;

/// Sends a case's request so many times; `None` where it would sleep.
pub(crate) fn send(subject: Subject, case: Case) -> Option<Run> {
    if case.is_resent() {
        return None;
    }
    let client = match subject {
        Subject::Reqwest => client(Duration::from_millis(100), Server::serving()),
        _ => ClientBuilder::new(Client::new()).with(answering(Server::serving())).build(),
    };
    let (head, body) = (head(case), body(case));
    Some(Box::new(move |times| {
        for _ in 0..times {
            let mut request = Request::new(method(&body), url());
            *request.headers_mut() = head.headers(values(case));
            if let Some(body) = &body {
                *request.body_mut() = Some(Body::from(body.clone()));
            }
            let mut extensions = Extensions::new();
            if case == Case::Extension {
                extensions.insert(EXTENSION);
            }
            let sent = client.execute_with_extensions(black_box(request), &mut extensions);
            let response = finish(pin!(sent)).expect("the server serves");
            assert!(black_box(response).status().is_success());
        }
    }))
}

/// What waits for a minute before it sends again. It lives for as long as the process.
pub(crate) fn wait() -> WaitFor {
    let client: &'static _ = Box::leak(Box::new(client(Duration::from_secs(60), Server::failing())));
    Box::new(move |head, buffer| {
        let mut request = Request::new(http::Method::GET, url());
        *request.headers_mut() = head.headers_in(buffer, Values::Shared);
        Box::pin(async move {
            let sent = client.execute(request).await;
            drop(sent);
        })
    })
}

/// A middleware that answers as the server does, but does not read the body: it may not.
fn answering(server: Server) -> impl Middleware {
    is_middleware(move |request, _, _| {
        drop(black_box(request));
        let mut response = http::Response::new(Bytes::new());
        *response.status_mut() = server.status();
        Box::pin(ready(Ok(Response::from(response))))
    })
}

/// Says of a closure that it is one for all lifetimes.
fn is_middleware<F>(answer: F) -> F
where
    F: for<'a> Fn(Request, &'a mut Extensions, Next<'a>) -> Answer<'a> + Send + Sync + 'static,
{
    answer
}

fn client(base: Duration, server: Server) -> ClientWithMiddleware {
    let longest = base.max(Duration::from_secs(10));
    let policy = ExponentialBackoff::builder().retry_bounds(base, longest).build_with_max_retries(2);
    ClientBuilder::new(Client::new())
        .with(RetryTransientMiddleware::new_with_policy(policy))
        .with(answering(server))
        .build()
}

fn url() -> reqwest::Url {
    "http://shop.example/v1/shops/7/orders?limit=50&after=01J9Z3M8Q4".parse().expect("it is a URL")
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send + 'a>>;

fn method(body: &Option<Bytes>) -> http::Method {
    if body.is_some() { http::Method::POST } else { http::Method::GET }
}
