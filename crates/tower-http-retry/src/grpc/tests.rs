use std::convert::Infallible;

use http::{HeaderValue, Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use testkit::bodies::Frames;
use testkit::bodies::Step::{self, Data, Fail, Sleep, Trailers, Yield};
use tower::{Layer, ServiceExt, service_fn};

use crate::grpc::{GrpcTrailersLayer, PeekedBody, UnaryCall};

/// The trailers of a call that ended with this status.
fn ended(status: &'static str) -> Step {
    let details = [("grpc-message", "no"), ("grpc-retry-pushback-ms", "7")];
    let lines = details.into_iter().chain([("grpc-status", status)]);
    Trailers(lines.map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect())
}

/// The head of an answer of gRPC's.
fn head() -> http::response::Builder {
    Response::builder().header("content-type", "application/grpc+proto").header("x-of", "head")
}

/// What comes through the layer, without ever waiting for what hangs.
async fn through(
    layer: GrpcTrailersLayer,
    request: Request<()>,
    head: http::response::Builder,
    script: &[Step],
) -> Response<PeekedBody<Frames>> {
    let body = Frames::script(script.iter().cloned());
    let mut response = Some(head.body(body).unwrap());
    let service = service_fn(move |_: Request<()>| {
        std::future::ready(Ok::<_, Infallible>(response.take().expect("called once")))
    });
    layer.layer(service).oneshot(request).await.unwrap()
}

async fn unary(head: http::response::Builder, script: &[Step]) -> Response<PeekedBody<Frames>> {
    through(GrpcTrailersLayer::unary(), Request::new(()), head, script).await
}

/// What is read of a body: its data, the status in its trailers, whether it broke.
async fn read(mut body: PeekedBody<Frames>) -> (String, Option<String>, bool) {
    let (mut data, mut status) = (String::new(), None);
    loop {
        let left = body.size_hint().exact().expect("exact");
        let ended = body.is_end_stream();
        match body.frame().await {
            None => return (data, status, false),
            Some(Err(_)) => return (data, status, true),
            Some(Ok(frame)) => {
                assert!(!ended);
                match frame.into_data() {
                    Ok(bytes) => {
                        data.push_str(std::str::from_utf8(&bytes).unwrap());
                        assert_eq!(body.size_hint().exact(), Some(left - bytes.len() as u64));
                    }
                    Err(frame) => {
                        let trailers = frame.into_trailers().unwrap();
                        status = Some(trailers["grpc-status"].to_str().unwrap().to_owned());
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn a_failure_right_after_the_head_is_moved_into_it() {
    for script in [&[ended("14")][..], &[Yield, Yield, ended("14")]] {
        let response = unary(head(), script).await;
        for (name, value) in
            [("grpc-status", "14"), ("grpc-message", "no"), ("grpc-retry-pushback-ms", "7"), ("x-of", "head")]
        {
            assert_eq!(response.headers()[name], value, "{script:?}");
        }
        assert!(response.body().is_end_stream());
        assert_eq!(read(response.into_body()).await, (String::new(), None, false));
    }
}

#[tokio::test]
async fn anything_else_is_put_back() {
    for (script, data, status, broke) in [
        (&[Data("one"), Data("two"), ended("0")][..], "onetwo", Some("0"), false),
        (&[Yield, Data("one"), Yield, ended("13")], "one", Some("13"), false),
        (&[ended("0")], "", Some("0"), false),
        (&[Fail], "", None, true),
        (&[Data("one"), Fail], "one", None, true),
        (&[], "", None, false),
    ] {
        let response = unary(head(), script).await;
        assert_eq!(response.headers().len(), 2, "{script:?}");
        let expected = (data.to_owned(), status.map(str::to_owned), broke);
        assert_eq!(read(response.into_body()).await, expected, "{script:?}");
    }
}

#[tokio::test]
async fn what_has_said_how_it_ended_or_is_no_grpc_is_not_looked_into() {
    for head in [
        head().header("grpc-status", "5"),
        head().status(503),
        Response::builder().header("content-type", "application/grpc-web"),
        Response::builder().header("content-type", "application/json"),
        Response::builder(),
    ] {
        let response = unary(head, &[Sleep, ended("14")]).await;
        assert_eq!(response.into_body().size_hint().exact(), Some(0));
    }
}

#[tokio::test]
async fn a_stream_is_not_waited_for() {
    let marked = GrpcTrailersLayer::marked();
    let response = through(marked, Request::new(()), head(), &[Sleep, ended("14")]).await;
    assert!(!response.headers().contains_key("grpc-status"));
    assert!(!response.body().is_end_stream());

    let request = Request::builder().extension(UnaryCall).body(()).unwrap();
    let response = through(marked, request, head(), &[Yield, ended("14")]).await;
    assert_eq!(response.headers()["grpc-status"], "14");
}
