//! `timeout` and `per_try_timeout` while an upload is under way: an endpoint that takes it steadily is well.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::{check_took, gateway};
use crate::client::open;
use crate::configured::attempts;
use crate::process::Gateway;

const BYTES: usize = 1_600_000;
const BYTES_PER_SECOND: usize = 400_000;
const TIMES: (&str, &str) = ("timeout = \"2s\"", "num_retries = 0\nper_try_timeout = \"1500ms\"");

/// Reads a request slowly until it has so many bytes, and answers it, or stops to read and is silent.
fn read_slowly(mut socket: TcpStream, bytes: usize) {
    let _ = SockRef::from(&socket).set_recv_buffer_size(64 * 1024);
    let mut piece = vec![0; BYTES_PER_SECOND / 50];
    let mut read = 0;
    while read < bytes {
        let count = socket.read(&mut piece).unwrap_or(0);
        if count == 0 {
            return;
        }
        read += count;
        thread::sleep(Duration::from_secs_f64(count as f64 / BYTES_PER_SECOND as f64));
    }
    if bytes == BYTES {
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone");
    }
    thread::sleep(Duration::from_secs(10));
}

/// A gateway in front of a server that reads so many bytes, and one in front of that which speaks HTTP/2 to it.
fn gateways(bytes: usize) -> [Gateway; 2] {
    let upstream = testkit::listener::listen(move |_, socket| read_slowly(socket, bytes));
    let back = gateway(&format!("http://{upstream}"), "", "", TIMES.0, TIMES.1);
    let url = format!("http://{}", back.address);
    let front = gateway(&url, "", "protocol = \"http2\"", TIMES.0, TIMES.1);
    [back, front]
}

/// Sends the body as fast as the gateway takes it, and returns the answer.
fn upload(gateway: &Gateway) -> String {
    let mut socket =
        open(gateway.address, "POST /", &[&format!("content-length: {BYTES}"), "connection: close"], "");
    let mut writer = socket.try_clone().unwrap();
    let upload = thread::spawn(move || {
        let _ = writer.write_all(&vec![b'x'; BYTES]);
    });
    let mut text = String::new();
    let _ = socket.read_to_string(&mut text);
    upload.join().unwrap();
    text
}

#[test]
fn an_upload_may_take_an_endpoint_longer_than_every_timeout() {
    let gateways = gateways(BYTES);
    thread::scope(|scope| {
        for gateway in &gateways {
            scope.spawn(move || {
                let began = Instant::now();
                assert_eq!(&upload(gateway)[..12], "HTTP/1.1 200");
                check_took(began, 2_500, 10_000);
                assert_eq!(attempts(&gateway.log(1)[0]).len(), 1);
            });
        }
    });
}

/// The time that an endpoint has begins with the last byte that it took.
#[test]
fn an_endpoint_that_stops_to_take_an_upload_is_cut() {
    let [gateway, _] = gateways(BYTES / 2);
    let began = Instant::now();
    assert_eq!(&upload(&gateway)[..12], "HTTP/1.1 504");
    check_took(began, 2_500, 5_000);
}
