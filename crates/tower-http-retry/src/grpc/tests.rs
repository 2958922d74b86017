use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};

use crate::grpc::{GrpcTrailersLayer, PeekedBody, UnaryCall};

/// What a body does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Not there yet, but soon.
    Wait,
    /// Never there.
    Hang,
    Data(&'static str),
    /// Trailers with this `grpc-status`.
    Trailers(&'static str),
    Break,
}

use Next::{Break, Data, Hang, Trailers, Wait};

/// A body by script, which tells its size exactly.
#[derive(Debug)]
struct Scripted(VecDeque<Next>);

impl Body for Scripted {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(next) = self.0.pop_front() else {
            return Poll::Ready(None);
        };
        match next {
            Wait => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Hang => Poll::Pending,
            Data(text) => Poll::Ready(Some(Ok(Frame::data(text.into())))),
            Trailers(status) => Poll::Ready(Some(Ok(Frame::trailers(trailers(status))))),
            Break => Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let length = |next: &Next| if let Data(text) = next { text.len() as u64 } else { 0 };
        SizeHint::with_exact(self.0.iter().map(length).sum())
    }
}

fn trailers(status: &'static str) -> HeaderMap {
    let details = [("grpc-message", "no"), ("grpc-retry-pushback-ms", "7")];
    let lines = details.into_iter().chain([("grpc-status", status)]);
    lines.map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
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
    script: &[Next],
) -> Response<PeekedBody<Scripted>> {
    let body = Scripted(script.iter().copied().collect());
    let mut response = Some(head.body(body).unwrap());
    let service = service_fn(move |_: Request<()>| {
        std::future::ready(Ok::<_, Infallible>(response.take().expect("called once")))
    });
    layer.layer(service).oneshot(request).await.unwrap()
}

async fn unary(head: http::response::Builder, script: &[Next]) -> Response<PeekedBody<Scripted>> {
    through(GrpcTrailersLayer::unary(), Request::new(()), head, script).await
}

/// What is read of a body: its data, the status in its trailers, whether it broke.
async fn read(mut body: PeekedBody<Scripted>) -> (String, Option<String>, bool) {
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
    for script in [&[Trailers("14")][..], &[Wait, Wait, Trailers("14")]] {
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
        (&[Data("one"), Data("two"), Trailers("0")][..], "onetwo", Some("0"), false),
        (&[Wait, Data("one"), Wait, Trailers("13")], "one", Some("13"), false),
        (&[Trailers("0")], "", Some("0"), false),
        (&[Break], "", None, true),
        (&[Data("one"), Break], "one", None, true),
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
        let response = unary(head, &[Hang, Trailers("14")]).await;
        assert_eq!(response.into_body().size_hint().exact(), Some(0));
    }
}

#[tokio::test]
async fn a_stream_is_not_waited_for() {
    let marked = GrpcTrailersLayer::marked();
    let response = through(marked, Request::new(()), head(), &[Hang, Trailers("14")]).await;
    assert!(!response.headers().contains_key("grpc-status"));
    assert!(!response.body().is_end_stream());

    let request = Request::builder().extension(UnaryCall).body(()).unwrap();
    let response = through(marked, request, head(), &[Wait, Trailers("14")]).await;
    assert_eq!(response.headers()["grpc-status"], "14");
}
