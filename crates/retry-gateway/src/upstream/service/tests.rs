use std::convert::Infallible;
use std::net::Ipv4Addr;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tower::Layer;
use tower_http_retry::RetryLayer;

use super::*;
use crate::config::ConnectionConfig;
use crate::connection::info::ConnectionInfo;
use crate::connection::request_limit::RequestLimit;
use crate::connection::tls;
use crate::message::forwarding::{self, ForwardedRequest};
use crate::message::trailers::RequestTrailers;
use crate::message::validate;
use crate::telemetry::RequestSpan;
use crate::time::pooled_timeout::TimerPool;
use crate::upstream::body_wait::BodyLimits;
use crate::upstream::pool::settings::ConnectionSettings;

/// The attempts of a route with this timeout. Nobody listens at the endpoint of its upstream.
fn settings(timeout: Duration) -> Arc<AttemptSettings> {
    let connections = ConnectionSettings {
        tls: tls::client_config(&None, false).unwrap(),
        is_http2: false,
        config: ConnectionConfig::default(),
    };
    let uri = Uri::from_static("http://127.0.0.1:1");
    let endpoint = Arc::new(Endpoint::new(&uri, None, &connections, None, None).unwrap());
    let balancer = Balancer {
        endpoints: ArcSwap::from_pointee(vec![endpoint]),
        host: HostRule::Endpoint,
        is_http2: false,
        outliers: None,
        outage: None,
    };
    Arc::new(AttemptSettings {
        balancer: Arc::new(balancer),
        per_try_timeout: None,
        avoids_tried: false,
        max_attempts: 3,
        timeout,
        limit: RequestLimit { counts: Arc::default(), max_requests: 10, max_pending_requests: 10 },
        max_pace_wait: None,
        starts_with_request: true,
        timers: TimerPool::default(),
        response_idle_timeout: None,
        inspection: None,
        is_grpc: false,
    })
}

/// Sends a request that the retry layer gets so late. The layer alone would send it three times. Returns the number of
/// attempts.
async fn attempts(timeout: Duration, late: Duration) -> u32 {
    let (mut client, server) = tokio::io::duplex(1_024);
    let (sender, mut attempts) = mpsc::unbounded_channel();
    let service = service_fn(move |mut request: Request<Incoming>| {
        let sender = sender.clone();
        async move {
            let connection = Arc::new(ConnectionInfo::new(Ipv4Addr::LOCALHOST.into(), false, false));
            let request_log = RequestLog::new(false, RequestSpan::new(&request, &connection));
            let valid = validate::request(&mut request, &connection).ok().unwrap();
            let ForwardedRequest { forwarding, wishes, .. } =
                forwarding::request(&mut request, valid, &connection);
            let timers = TimerPool::default();
            let limits = Arc::new(BodyLimits { timers, timeout: Duration::MAX, min_rate: None });
            let trailers = RequestTrailers { keeps_underscores: false };
            let request = request.map(|body| RequestBody::new(body, trailers, &limits, &request_log));
            let service =
                AttemptService::new(settings(timeout), request_log.clone(), forwarding, wishes, None);
            tokio::time::advance(late).await;
            let layer = RetryLayer::default().max_attempts(3).max_elapsed(None).budget(None);
            assert!(layer.layer(service).oneshot(request).await.is_err());
            sender.send(request_log.attempts()).unwrap();
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }
    });
    let server = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(server), service);
    let client = async move {
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
        client.read_to_end(&mut Vec::new()).await.unwrap();
    };
    let (_, served) = tokio::join!(client, server);
    served.unwrap();
    attempts.recv().await.unwrap()
}

/// The clock of the retry layer starts when it gets the request, which may be late, so the resends fit by that clock.
#[tokio::test(start_paused = true)]
async fn no_attempt_begins_once_the_time_of_the_request_is_up() {
    let timeout = Duration::from_secs(10);
    assert_eq!(attempts(timeout, timeout).await, 1);
    assert_eq!(attempts(Duration::from_secs(1_000), timeout).await, 3);
}

/// A task that runs late finds both the permit and the end of the time.
#[tokio::test(start_paused = true)]
async fn a_permit_that_comes_too_late_is_none() {
    let settings = settings(Duration::from_secs(10));
    let connection = ConnectionInfo::new(Ipv4Addr::LOCALHOST.into(), false, false);
    let request_log = RequestLog::new(false, RequestSpan::new(&Request::new(()), &connection));
    let deadline = Instant::now() + Duration::from_secs(10);
    assert!(settings.acquire_until(deadline, &request_log).await.is_ok());
    tokio::time::advance(Duration::from_secs(10)).await;
    assert!(settings.acquire_until(deadline, &request_log).await.is_err());
}
