//! Settings of an HTTP/2 endpoint that change while requests wait.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use testkit::raw_http2::{ACK, END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS, frame};

use crate::client::call;
use crate::process::Gateway;

/// Allows no stream for this time, and then answers the request of each stream that opens.
fn allow_later(mut socket: TcpStream, time: Duration) {
    let mut preface = [0; PREFACE.len()];
    socket.read_exact(&mut preface).unwrap();
    socket.write_all(&frame(SETTINGS, 0, 0, &[0, MAX_STREAMS, 0, 0, 0, 0])).unwrap();
    socket.write_all(&frame(SETTINGS, ACK, 0, b"")).unwrap();
    thread::sleep(time);
    let _ = socket.write_all(&frame(SETTINGS, 0, 0, &[0, MAX_STREAMS, 0, 0, 0, 100]));
    let mut head = [0; 9];
    while socket.read_exact(&mut head).is_ok() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        socket.read_exact(&mut payload).unwrap();
        if head[3] == HEADERS {
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            // `:status: 204` is entry 9 of the static table (RFC 7541 appendix A).
            socket.write_all(&frame(HEADERS, END_STREAM | END_HEADERS, stream, &[0x89])).unwrap();
        }
    }
}

#[test]
fn a_request_that_waits_for_a_stream_gets_one_soon_after_the_endpoint_allows_it() {
    let address = testkit::listener::listen(|_, socket| allow_later(socket, Duration::from_millis(300)));
    let gateway = Gateway::by(&format!(
        "[upstreams.api]\nendpoints = [\"http://{address}\"]\nprotocol = \"http2\"\n[[routes]]\nupstream = \"api\"\n\
         timeout = \"6s\"\nretry = {{ num_retries = 0, per_try_timeout = false }}\n"
    ));
    assert_eq!(call(gateway.address, "GET /", &[], "").status, 204);
    assert!(gateway.log(1)[0]["took_ms"].as_u64().unwrap() < 4_000);
}

/// The setting `SETTINGS_MAX_CONCURRENT_STREAMS`.
const MAX_STREAMS: u8 = 3;
