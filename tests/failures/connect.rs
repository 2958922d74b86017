//! What fails before there is a connection.

use std::future::{Ready, ready};
use std::io::{Error, ErrorKind};
use std::net::SocketAddr;

use http::{Method, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tower::service_fn;
use tower_http_retry::{BoxError, FailureKind};

use super::failures;
use crate::support::client;
use crate::support::listener::unused_address;

/// Nobody listens there.
#[tokio::test]
async fn a_refused_connection_was_never_sent() {
    let uri = format!("http://{}/", unused_address());
    for method in [Method::GET, Method::POST] {
        assert_eq!(failures(client(), method, &uri).await, [FailureKind::NeverSent; 3]);
    }
}

/// Nobody knows the host.
#[tokio::test]
async fn a_name_that_is_not_resolved_was_never_sent() {
    let resolver = service_fn(|_: Name| {
        let error = Error::other("failed to lookup address information: Name or service not known");
        ready(Err::<std::vec::IntoIter<SocketAddr>, _>(error))
    });
    let connector = HttpConnector::new_with_resolver(resolver);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let kinds = failures(client, Method::POST, "http://name.invalid/").await;
    assert_eq!(kinds, [FailureKind::NeverSent; 3]);
}

/// How a connect is read that fails with this error.
async fn check<E: Into<BoxError> + 'static>(error: fn() -> E, kind: FailureKind) {
    let connector = service_fn(move |_: Uri| -> Ready<Result<TokioIo<TcpStream>, BoxError>> {
        ready(Err(error().into()))
    });
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let kinds = failures(client, Method::POST, "http://host.example/").await;
    let sent = if kind == FailureKind::NeverSent { 3 } else { 1 };
    assert_eq!(kinds, vec![kind; sent], "{}", error().into());
}

/// A certificate does not become valid by asking again.
#[tokio::test]
async fn a_certificate_that_does_not_verify_fails_for_good() {
    // As rustls puts it.
    check(|| Error::new(ErrorKind::InvalidData, "invalid peer certificate: Expired"), FailureKind::Permanent)
        .await;
    // As OpenSSL puts it.
    check(|| "certificate verify failed (self-signed certificate)", FailureKind::Permanent).await;
    // As a connector wraps it once more.
    check(
        || Error::other(Error::new(ErrorKind::InvalidData, "invalid peer certificate: UnknownIssuer")),
        FailureKind::Permanent,
    )
    .await;
}

/// A handshake that is cut off or slow may go through the next time, and no request was sent.
#[tokio::test]
async fn a_handshake_that_is_cut_off_was_never_sent() {
    check(|| Error::new(ErrorKind::UnexpectedEof, "tls handshake eof"), FailureKind::NeverSent).await;
    check(|| Error::from(ErrorKind::ConnectionReset), FailureKind::NeverSent).await;
    check(|| Error::from(ErrorKind::TimedOut), FailureKind::NeverSent).await;
    check(|| Error::from(ErrorKind::HostUnreachable), FailureKind::NeverSent).await;
    check(|| "the proxy is busy", FailureKind::NeverSent).await;
}

/// A URL that the connector does not take is not taken later either.
#[tokio::test]
async fn a_url_that_names_no_server_fails_for_good() {
    for uri in ["ftp://host.example/", "https://host.example/"] {
        assert_eq!(failures(client(), Method::GET, uri).await, [FailureKind::Permanent], "{uri}");
    }
}
