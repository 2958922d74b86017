//! Clients that leave in the middle of their upload, or send bytes that are no body: neither the upstream nor the
//! endpoint is to blame.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use testkit::raw_http2::{DEFAULT_WINDOW, HEADERS};

use crate::client::{open, parse};
use crate::configured::attempts;
use crate::http2_client::Http2Client;
use crate::process::Gateway;
use crate::upstream::{Act, Upstream};

fn gateway(upstream: &Upstream) -> Gateway {
    Gateway::by(&format!(
        "admin = \"127.0.0.1:0\"\n[limits]\nbody_timeout = \"300ms\"\n\
         [upstreams.api]\nendpoints = [{:?}]\noutlier_detection = {{ consecutive_5xx = 1 }}\n\
         [[routes]]\nupstream = \"api\"\n",
        upstream.url()
    ))
}

/// Opens a request whose chunked body has one chunk so far.
fn begin(gateway: &Gateway, method: &str) -> TcpStream {
    let mut socket = open(gateway.address, &format!("{method} /"), &["transfer-encoding: chunked"], "");
    socket.write_all(b"5\r\nhello\r\n").unwrap();
    socket
}

/// Closes a connection by a reset.
pub(crate) fn reset(socket: TcpStream) {
    socket.set_nonblocking(true).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::net::TcpStream::from_std(socket).unwrap().set_zero_linger().unwrap() });
}

/// Reads what comes until the connection ends.
fn read_all(socket: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = socket.read_to_end(&mut bytes);
    bytes
}

/// How a client breaks its upload off.
const WAYS: [fn(TcpStream); 4] = [
    reset,
    drop,
    |mut socket| {
        socket.write_all(b"no size\r\n").unwrap();
        read_all(&mut socket);
    },
    |mut socket| {
        socket.shutdown(Shutdown::Write).unwrap();
        read_all(&mut socket);
    },
];

#[test]
fn a_client_that_leaves_in_its_upload_cuts_its_response() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
    let pieces: Vec<_> = [head].into_iter().chain((0..100).map(|_| "1\r\nx\r\n".to_owned())).collect();
    let upstream = Upstream::start(move |_, _| Act::Slowly(pieces.clone(), Duration::from_millis(100)));
    let gateway = gateway(&upstream);
    for break_off in WAYS {
        let mut socket = begin(&gateway, "POST");
        assert!(socket.read(&mut [0; 9]).unwrap() > 0);
        break_off(socket);
    }
    for closes in [false, true] {
        let mut client = Http2Client::connect(gateway.address, DEFAULT_WINDOW);
        let stream = client.send("POST", "/", Some(b"hello"));
        assert_eq!(client.read().expect("a response").kind, HEADERS);
        if !closes {
            client.reset(stream);
            gateway.log(WAYS.len() + 1);
        }
    }
    for line in gateway.log(WAYS.len() + 2) {
        assert_eq!(
            (&line["response_end"], &line["status"]),
            (&"cut-by-client".into(), &200.into()),
            "{line}"
        );
    }
    let cut = |word| {
        gateway.metric(&format!("upstream_rq_response_cut_total{{upstream=\"api\",reason=\"{word}\"}}"))
    };
    assert_eq!((cut("cut-by-client"), cut("cut-by-upstream")), (6.0, 0.0));
}

/// The log has the status that the client got, and no failure of an attempt.
#[test]
fn a_body_that_breaks_is_logged_as_it_was_answered() {
    let upstream = Upstream::answering(vec![Act::Hang]);
    let gateway = gateway(&upstream);
    for method in ["POST", "PUT"] {
        let mut socket = begin(&gateway, method);
        socket.write_all(b"no size\r\n").unwrap();
        assert_eq!(parse(&read_all(&mut socket)).status, 400);
        let mut socket = open(gateway.address, &format!("{method} /"), &["content-length: 20"], "");
        socket.write_all(b"ab").unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        assert_eq!(parse(&read_all(&mut socket)).status, 400);
        let mut socket = begin(&gateway, method);
        assert_eq!(parse(&read_all(&mut socket)).status, 408);
        let requests = upstream.seen().len();
        let socket = begin(&gateway, method);
        upstream.wait_seen(requests + 1);
        reset(socket);
        let mut client = Http2Client::connect(gateway.address, DEFAULT_WINDOW);
        let stream = client.send(method, "/", Some(b"hello"));
        upstream.wait_seen(requests + 2);
        client.reset(stream);
        // The connection stays until the stream has ended.
        gateway.log(if method == "POST" { 5 } else { 10 });
    }
    let log = gateway.log(10);
    for status in [400, 408, 499] {
        let lines = log.iter().filter(|line| line["status"] == status);
        assert_eq!(lines.count(), if status == 408 { 2 } else { 4 }, "{status} of {log:?}");
        let name = format!("upstream_rq_status_total{{upstream=\"api\",status=\"{status}\"}}");
        assert_eq!(gateway.metric(&name), if status == 408 { 2.0 } else { 4.0 }, "{status}");
    }
    for line in &log {
        let attempts = attempts(line);
        assert!(attempts.len() == 1 && attempts[0].get("error").is_none(), "{line}");
    }
    assert_eq!(gateway.metric_of_api("outlier_detection_ejections_total"), 0.0);
}

/// Over HTTP/2 the gateway resets the stream, and that is no failure of the upstream's.
#[test]
fn a_body_that_breaks_is_its_clients_fault_over_http2_too() {
    let upstream = Upstream::answering(vec![Act::Hang]);
    let back = Gateway::before(&upstream.url(), &[]);
    let front = Gateway::by(&format!(
        "admin = \"127.0.0.1:0\"\nlimits = {{ body_timeout = \"1s\" }}\n[upstreams.api]\n\
         endpoints = [\"http://{}\"]\nprotocol = \"http2\"\n[[routes]]\nupstream = \"api\"\n",
        back.address
    ));
    for method in ["POST", "PUT"] {
        let mut malformed = begin(&front, method);
        malformed.write_all(b"no size\r\n").unwrap();
        assert_eq!(parse(&read_all(&mut malformed)).status, 400, "{method}");
        assert_eq!(parse(&read_all(&mut begin(&front, method))).status, 408, "{method}");
    }
    for line in front.log(4) {
        assert!(line.get("cause").is_none() && line.get("reason").is_none(), "{line}");
        assert!(attempts(&line).len() == 1 && attempts(&line)[0].get("error").is_none(), "{line}");
    }
}
