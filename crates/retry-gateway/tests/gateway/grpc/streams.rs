//! Streams, whose heads must not wait for messages, and whose clients may be silent.

use std::thread;
use std::time::Duration;

use testkit::raw_http2::{DATA, HEADERS};
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;

use super::client::{RUNTIME, client};
use super::server::{Act, GrpcServer, Says};
use super::{PROFILE, gateway};
use crate::http2_client::Http2Client;
use crate::process::Gateway;

#[test]
fn a_stream_begins_before_its_first_message() {
    let server =
        GrpcServer::start(vec![Act::fail(Says::InTrailers, &[("grpc-status", "14")]), Act::HeadOnly]);
    let gateway = gateway(&server, PROFILE);
    RUNTIME.block_on(async {
        let mut client = client(&gateway);
        let watch = client.watch(HealthCheckRequest::default());
        let stream =
            tokio::time::timeout(Duration::from_secs(5), watch).await.expect("the head comes").unwrap();
        // It is quiet, and is not cut.
        let mut stream = stream.into_inner();
        assert!(tokio::time::timeout(Duration::from_millis(300), stream.message()).await.is_err());
    });
    assert_eq!(server.seen().len(), 2, "the first failed before any message");
}

#[test]
fn a_call_with_a_message_is_never_resent() {
    let server = GrpcServer::start(vec![Act::fail_after_message(&[("grpc-status", "14")]), Act::Serve]);
    let gateway = gateway(&server, PROFILE);
    RUNTIME.block_on(async {
        let mut stream = client(&gateway).watch(HealthCheckRequest::default()).await.unwrap().into_inner();
        assert!(stream.message().await.unwrap().is_some());
        let error = stream.message().await.unwrap_err();
        assert_eq!((error.code(), error.message()), (Code::Unavailable, "not now"));
    });
    assert_eq!(server.seen().len(), 1);
}

/// Sends a body with a pause that is longer than `limits.body_timeout`. Returns whether the server has read all of it.
fn is_served(server: &GrpcServer, profile: &str) -> bool {
    let gateway = Gateway::by(&format!(
        "limits = {{ body_timeout = \"200ms\" }}\n[upstreams.api]\nendpoints = [\"{}\"]\nprotocol = \"http2\"\n\
         [[routes]]\nupstream = \"api\"\nprofile = \"{profile}\"\n",
        server.url()
    ));
    let mut client = Http2Client::connect(gateway.address, 65_535);
    let stream = client.send("POST", "/shop.Orders/Place", Some(b"one"));
    thread::sleep(Duration::from_secs(1));
    client.data(stream, b"two", true);
    loop {
        let Some(frame) = client.read() else { return false };
        match frame.kind {
            DATA if frame.payload == [0, 0, 0, 0, 2, 8, 1] => return true,
            DATA | HEADERS if !frame.ends_stream() => {}
            _ => return false,
        }
    }
}

#[test]
fn the_client_of_a_stream_may_be_silent() {
    let server = GrpcServer::start(vec![Act::Serve]);
    assert!(is_served(&server, "grpc"));
    assert!(!is_served(&server, "default"));
}
