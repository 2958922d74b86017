use std::convert::Infallible;

use http::{HeaderValue, Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use testkit::bodies::BodyEvent::{self, Data, Fail, Sleep, Trailers, Yield};
use testkit::bodies::Frames;
use tower::{Layer, ServiceExt, service_fn};

use crate::grpc::{GrpcTrailersLayer, PeekedBody, UnaryCall};

/// Returns the trailers of a call that ended with this status.
fn trailers(status: &'static str) -> BodyEvent {
    let details = [("grpc-message", "no"), ("grpc-retry-pushback-ms", "7")];
    let lines = details.into_iter().chain([("grpc-status", status)]);
    Trailers(lines.map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect())
}

/// Returns the head of a gRPC response.
fn head() -> http::response::Builder {
    Response::builder().header("content-type", "application/grpc+proto").header("x-of", "head")
}

/// Sends a request through the layer, and returns the response, whose body follows the script.
async fn send_through(
    layer: GrpcTrailersLayer,
    request: Request<()>,
    head: http::response::Builder,
    script: &[BodyEvent],
) -> Response<PeekedBody<Frames>> {
    let body = Frames::script(script.iter().cloned());
    let mut response = Some(head.body(body).unwrap());
    let service = service_fn(move |_: Request<()>| {
        std::future::ready(Ok::<_, Infallible>(response.take().expect("called once")))
    });
    layer.layer(service).oneshot(request).await.unwrap()
}

async fn unary(head: http::response::Builder, script: &[BodyEvent]) -> Response<PeekedBody<Frames>> {
    send_through(GrpcTrailersLayer::unary(), Request::new(()), head, script).await
}

/// Reads a body, and returns its data, the status in its trailers, and whether it failed.
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
async fn a_failure_right_after_the_head_moves_into_it() {
    for script in [&[trailers("14")][..], &[Yield, Yield, trailers("14")]] {
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
async fn any_other_frame_stays_in_the_body() {
    for (script, data, status, failed) in [
        (&[Data("one"), Data("two"), trailers("0")][..], "onetwo", Some("0"), false),
        (&[Yield, Data("one"), Yield, trailers("13")], "one", Some("13"), false),
        (&[trailers("0")], "", Some("0"), false),
        (&[Fail], "", None, true),
        (&[Data("one"), Fail], "one", None, true),
        (&[], "", None, false),
    ] {
        let response = unary(head(), script).await;
        assert_eq!(response.headers().len(), 2, "{script:?}");
        let expected = (data.to_owned(), status.map(str::to_owned), failed);
        assert_eq!(read(response.into_body()).await, expected, "{script:?}");
    }
}

#[tokio::test]
async fn a_response_with_a_status_or_without_grpc_passes_at_once() {
    for head in [
        head().header("grpc-status", "5"),
        head().status(503),
        Response::builder().header("content-type", "application/grpc-web"),
        Response::builder().header("content-type", "application/json"),
        Response::builder(),
    ] {
        let response = unary(head, &[Sleep, trailers("14")]).await;
        assert_eq!(response.into_body().size_hint().exact(), Some(0));
    }
}

#[tokio::test]
async fn a_streaming_call_passes_at_once() {
    let marked = GrpcTrailersLayer::marked();
    let response = send_through(marked, Request::new(()), head(), &[Sleep, trailers("14")]).await;
    assert!(!response.headers().contains_key("grpc-status"));
    assert!(!response.body().is_end_stream());

    let request = Request::builder().extension(UnaryCall).body(()).unwrap();
    let response = send_through(marked, request, head(), &[Yield, trailers("14")]).await;
    assert_eq!(response.headers()["grpc-status"], "14");
}
