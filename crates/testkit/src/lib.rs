//! Scripted servers, services and bodies for the tests of this workspace.
//!
//! * A service in memory: [`upstream`]. It reads the time of tokio, which a test may pause.
//! * HTTP servers that answer by number: [`server`], and [`bucket`] for one with a limit.
//! * A server of HTTP/2 that allows few streams, or falls silent: [`http2`].
//! * Servers below HTTP, for broken connections and streams: [`peer`], [`raw`], [`raw_http2`].
//! * Bodies: [`bodies`].
//! * A real `redis-server`, and a client for it: [`redis`].
//!
//! A server panics where it cannot listen or where its script is wrong, because that fails the test.

pub mod bodies;
pub mod bucket;
pub mod http2;
pub mod listener;
pub mod peer;
pub mod raw;
pub mod raw_http2;
pub mod redis;
pub mod server;
pub mod upstream;

use std::error::Error;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;

/// Any error of a script.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The response of a script.
pub type Answer = Response<Full<Bytes>>;

/// Returns a response of this status without content.
pub fn status(code: u16) -> Answer {
    Response::builder().status(code).body(Full::default()).expect("a status")
}

/// Returns a response of this status with one header and no content.
pub fn with_header(code: u16, name: &'static str, value: &str) -> Answer {
    Response::builder().status(code).header(name, value).body(Full::default()).expect("a status and a header")
}
