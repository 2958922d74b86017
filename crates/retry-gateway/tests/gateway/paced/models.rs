//! The model that a request names in its body, for the key `credential+model`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{REFUSALS, paced};
use crate::client::{Reply, call, open, parse};
use crate::http2_client::Http2Client;
use crate::process::Gateway;
use crate::upstream::{Upstream, say};

const JSON: &[&str] = &["authorization: a", "content-type: application/json"];
const PRO: &str = r#"{"model":"pro","messages":[]}"#;
const FLASH: &str = r#"{"model":"flash","messages":[]}"#;

/// An upstream that refuses all requests that ask for the model `pro`, or that have no model in a JSON body.
fn refusing() -> Upstream {
    Upstream::start(|_, seen| match seen.body.contains("flash") {
        false => say(429, &["retry-after: 30"], ""),
        true => say(200, &[], "done"),
    })
}

/// A gateway whose pace has stopped the requests of this head and body.
#[track_caller]
fn stopped(upstream: &Upstream, headers: &[&str], body: &str) -> Gateway {
    let gateway = paced(upstream, "", "profile = \"llm\"\ntimeout = \"5s\"");
    let is_stopped =
        (0..REFUSALS).any(|_| call(gateway.address, "POST /v1/messages", headers, body).status == 503);
    assert!(is_stopped);
    gateway
}

/// Checks that a request was served at once, and returns its answer.
#[track_caller]
fn at_once(send: impl FnOnce() -> Reply) -> Reply {
    let began = Instant::now();
    let reply = send();
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    reply
}

/// Sends a chunked request, in pieces with a pause between them.
fn chunked(gateway: SocketAddr, pieces: &[&str], pause: Duration) -> Reply {
    let mut socket = TcpStream::connect(gateway).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = "POST /v1/messages HTTP/1.1\r\nhost: a\r\nauthorization: a\r\ncontent-type: application/json\r\n\
                connection: close\r\nx-reads: chunks\r\ntransfer-encoding: chunked\r\n\r\n";
    socket.write_all(head.as_bytes()).unwrap();
    for piece in pieces {
        // The gateway may have answered, and closed the connection.
        let _ = socket.write_all(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes());
        thread::sleep(pause);
    }
    let _ = socket.write_all(b"0\r\n\r\n");
    let mut bytes = Vec::new();
    let _ = socket.read_to_end(&mut bytes);
    parse(&bytes)
}

#[test]
fn two_models_of_one_credential_do_not_wait_for_each_other() {
    let upstream = refusing();
    let gateway = stopped(&upstream, JSON, PRO);
    let send = |body: &str| at_once(|| call(gateway.address, "POST /v1/messages", JSON, body)).status;
    assert_eq!(send(FLASH), 200);
    assert_eq!(send(PRO), 503);
    // Anthropic's SDK writes the messages before the model.
    let long = format!(r#"{{"messages":["{}"],"model":"flash"}}"#, "x".repeat(300_000));
    assert_eq!(send(&long), 200);
    let seen = upstream.seen();
    let [first, last] = [&seen[seen.len() - 2], &seen[seen.len() - 1]];
    assert_eq!((&*first.body, first.header("content-length")), (FLASH, Some("31")));
    assert_eq!((last.body == long, last.header("transfer-encoding")), (true, None));
    // The name of a model in a header and in a body is one key.
    let named = |name| [JSON, &[name]].concat();
    assert_eq!(call(gateway.address, "POST /", &named("x-model: pro"), FLASH).status, 503);
    assert_eq!(call(gateway.address, "POST /", &named("x-model: flash"), FLASH).status, 200);
    // It is another key with another credential.
    let other = ["authorization: b", "content-type: application/json"];
    assert_eq!(call(gateway.address, "POST /", &other, PRO).status, 429);
}

#[test]
fn a_model_in_small_pieces_is_found() {
    let upstream = refusing();
    let gateway = stopped(&upstream, JSON, PRO);
    let pieces = |body: &'static str| -> Vec<&str> {
        body.as_bytes().chunks(1).map(|byte| std::str::from_utf8(byte).unwrap()).collect()
    };
    let (pro, flash) = (pieces(PRO), pieces(FLASH));
    let pause = Duration::from_millis(1);
    assert_eq!(at_once(|| chunked(gateway.address, &flash, pause)).status, 200);
    assert_eq!(at_once(|| chunked(gateway.address, &pro, pause)).status, 503);
    let seen = upstream.seen();
    assert_eq!(
        (&*seen.last().unwrap().body, seen.last().unwrap().header("transfer-encoding")),
        (FLASH, Some("chunked"))
    );
}

#[test]
fn a_model_over_http2_is_found() {
    let upstream = refusing();
    let gateway = stopped(&upstream, JSON, PRO);
    let mut client = Http2Client::connect(gateway.address, 1 << 20);
    let headers = [("authorization", "a"), ("content-type", "application/json"), ("x-reads", "chunks")];
    for (body, expected) in [(FLASH, true), (PRO, false)] {
        let (start, end) = body.as_bytes().split_at(12);
        let stream = client.send_with("POST", "/v1/messages", &headers, Some(start));
        client.data(stream, end, true);
        // The stream of the request before may still be reset.
        let mut frames = std::iter::from_fn(|| client.read());
        let head = frames.find(|frame| frame.stream == stream).expect("a response");
        // The first byte says `:status: 200` by its place in the table (RFC 7541 appendix A).
        assert_eq!(head.payload[0] == 0x88, expected, "{body}");
        client.read_end(stream);
    }
    assert_eq!(upstream.seen().last().unwrap().body, FLASH);
}

#[test]
fn a_model_in_a_packed_body_is_found() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(PRO.as_bytes()).unwrap();
    check_packed("gzip", &encoder.finish().unwrap());
    check_packed("zstd", &zstd::encode_all(PRO.as_bytes(), 0).unwrap());
}

#[track_caller]
fn check_packed(encoding: &str, packed: &[u8]) {
    let upstream = refusing();
    let gateway = stopped(&upstream, JSON, PRO);
    let mut socket = TcpStream::connect(gateway.address).unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: a\r\nauthorization: a\r\ncontent-type: application/json\r\n\
         content-encoding: {encoding}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        packed.len()
    );
    socket.write_all(&[head.as_bytes(), packed].concat()).unwrap();
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).unwrap();
    assert_eq!(parse(&bytes).status, 503, "it has the key of the model that was told to be quiet");
}

#[test]
fn a_request_without_a_model_goes_by_its_credential() {
    let upstream = refusing();
    let text: &[&str] = &["authorization: a", "content-type: text/plain"];
    let gateway = stopped(&upstream, text, "hello");
    let send = |headers: &[&str], body: &str| {
        at_once(|| call(gateway.address, "POST /v1/messages", headers, body)).status
    };
    assert_eq!(send(JSON, FLASH), 200);
    assert_eq!(send(text, FLASH), 503, "it is no JSON");
    assert_eq!(send(JSON, r#"{"messages":["flash"]}"#), 503, "it names no model");
    assert_eq!(send(JSON, "flash"), 503, "it is no object");
    let packed = [JSON, &["content-encoding: compress"]].concat();
    assert_eq!(send(&packed, FLASH), 503, "its encoding is not read");
    let junk = [JSON, &["content-encoding: br"]].concat();
    assert_eq!(send(&junk, FLASH), 503, "it is not packed");
    let expecting = [JSON, &["expect: 100-continue"]].concat();
    assert_eq!(send(&expecting, FLASH), 503, "only the upstream may ask for it");
    let beyond = format!(r#"{{"messages":["{}"],"model":"flash"}}"#, "x".repeat(1_200_000));
    assert_eq!(send(JSON, &beyond), 503, "the model is behind the first MiB");
}

/// The client sends the start of its body, and then nothing for a while.
#[test]
fn a_late_model_holds_a_request_for_a_moment_only() {
    let upstream = Upstream::start(|_, _| say(200, &[], "done"));
    let gateway = paced(&upstream, "", "profile = \"llm\"");
    let pause = Duration::from_millis(700);
    let reply = chunked(gateway.address, &[r#"{"messages":[],"#, r#""model":"#, r#""pro"}"#], pause);
    assert_eq!((reply.status, &*upstream.seen()[0].body), (200, r#"{"messages":[],"model":"pro"}"#));
    let text: &[&str] = &["authorization: a", "content-type: text/plain"];
    let refused = refusing();
    let gateway = stopped(&refused, text, "hello");
    // The request is rejected by the key of its credential, before its model comes.
    let reply = chunked(gateway.address, &[r#"{"flash":1,"#, r#""model":"flash"}"#], Duration::from_secs(2));
    assert_eq!(reply.status, 503);
}

/// A client that vanishes while its model is awaited leaves no trace at the upstream.
#[test]
fn a_client_that_vanishes_before_its_model_sends_nothing() {
    let upstream = refusing();
    let gateway = stopped(&upstream, JSON, PRO);
    let before = upstream.seen().len();
    let mut socket = open(gateway.address, "POST /first", &[JSON, &["content-length: 99"]].concat(), "");
    socket.write_all(br#"{"mess"#).unwrap();
    thread::sleep(Duration::from_millis(50));
    drop(socket);
    assert_eq!(call(gateway.address, "POST /second", JSON, FLASH).status, 200);
    thread::sleep(Duration::from_millis(600));
    assert_eq!(upstream.seen().len(), before + 1);
}
