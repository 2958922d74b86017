//! What leaves HTTP is never sent again.

use http::{Method, Request};
use http_body_util::{BodyExt, Empty};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_http_retry::body::ReplayMemory;
use tower_http_retry::{Policy, RetryCause, RetryInfo, RetryLayer, RetryOverride, Verdict};

use crate::support::bodies::Frames;
use crate::support::upstream::Upstream;
use crate::support::{
    A_SECOND, Answer, QUICKLY, Sent, assert_status, client, eventually, next, refused, request, soon, status,
};

fn tunnels() -> [Sent; 2] {
    let upgrade =
        Request::get("http://host/chat").header("connection", "upgrade").header("upgrade", "websocket");
    [request(Method::CONNECT, "host:443", ""), upgrade.body(Default::default()).unwrap()]
}

/// Trap 31: whatever comes back, and whatever the policy says of it.
#[tokio::test(start_paused = true)]
async fn tunnels_are_sent_once() {
    for code in [101, 200, 408, 425, 429, 503] {
        for tunnel in tunnels() {
            let upstream = Upstream::statuses([code]);
            let policy = A_SECOND.any_method().classify_with(|_| Verdict::Retry(RetryCause::Transient));
            let client = ServiceBuilder::new().layer(RetryLayer::new(policy)).service(upstream.handle());
            let response = client.oneshot(tunnel).await.unwrap();
            assert_status(&response, code);
            assert_eq!(response.extensions().get::<RetryInfo>(), None);
            assert_eq!(upstream.sent(), 1, "{code}");
        }
    }
}

/// Trap 31: not even what was never sent, nor where the caller vouches for it.
#[tokio::test(start_paused = true)]
async fn a_tunnel_that_fails_is_sent_once() {
    for mut tunnel in tunnels() {
        tunnel.extensions_mut().insert(RetryOverride::new().idempotent().max_attempts(9));
        let upstream = Upstream::new(|_| Err::<Answer, _>(refused()));
        let client = ServiceBuilder::new().layer(RetryLayer::new(A_SECOND)).service(upstream.handle());
        client.oneshot(tunnel).await.unwrap_err();
        assert_eq!(upstream.sent(), 1);
    }
}

/// Trap 31: what is written into a tunnel is not remembered.
#[tokio::test(start_paused = true)]
async fn a_tunnel_is_not_buffered() {
    let memory = ReplayMemory::new(1_000);
    let layer = RetryLayer::new(A_SECOND).replay_memory(memory.clone());
    let (mock, mut handle) = tower_test::mock::pair::<Request<_>, Answer>();
    let client = ServiceBuilder::new().layer(layer).service(mock);
    let request = Request::connect("host:443").body(Frames::new(["one", "two"])).unwrap();
    let sent = tokio::spawn(client.oneshot(request));
    let (request, respond) = next(&mut handle).await;
    let mut body: tower_http_retry::ReplayBody<Frames> = request.into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(memory.used(), 0);
    respond.send_response(status(200));
    eventually(sent).await.unwrap().unwrap();
}

/// Trap 31: and it works, over a real connection.
#[tokio::test]
async fn an_upgrade_goes_through_the_layer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service = service_fn(|request: Request<hyper::body::Incoming>| async {
            tokio::spawn(async {
                let mut tunnel = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
                let mut word = [0; 4];
                tunnel.read_exact(&mut word).await.unwrap();
                tunnel.write_all(&word).await.unwrap();
            });
            let response = Answer::default();
            let (mut parts, body) = response.into_parts();
            parts.status = http::StatusCode::SWITCHING_PROTOCOLS;
            parts.headers.insert("connection", "upgrade".parse().unwrap());
            parts.headers.insert("upgrade", "echo".parse().unwrap());
            Ok::<_, std::convert::Infallible>(Answer::from_parts(parts, body))
        });
        let connection =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        connection.with_upgrades().await.unwrap();
    });
    let client = ServiceBuilder::new().layer(RetryLayer::new(QUICKLY)).service(client());
    let request = Request::get(uri).header("connection", "upgrade").header("upgrade", "echo");
    let request = request.body(Empty::<bytes::Bytes>::new()).unwrap();
    let echoed = soon(async {
        let response = client.oneshot(request).await.unwrap();
        assert_status(&response, 101);
        let mut tunnel = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
        tunnel.write_all(b"echo").await.unwrap();
        let mut word = [0; 4];
        tunnel.read_exact(&mut word).await.unwrap();
        word
    });
    assert_eq!(&echoed.await, b"echo");
}
