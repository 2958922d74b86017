//! A client that says exactly what it is told to.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    /// The value of a header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

/// The value of a header in a head.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
}

/// Sends a request with a connection of its own: `GET /x`, further header lines, and a body.
#[track_caller]
pub(crate) fn call(gateway: SocketAddr, line: &str, headers: &[&str], body: &str) -> Reply {
    let mut socket = open(gateway, line, headers, body);
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).expect("the gateway answers in time");
    parse(&bytes)
}

/// The same, without waiting for an answer.
#[track_caller]
pub(crate) fn open(gateway: SocketAddr, line: &str, headers: &[&str], body: &str) -> TcpStream {
    let mut socket = TcpStream::connect(gateway).expect("the gateway listens");
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut request = format!("{line} HTTP/1.1\r\nhost: client.example\r\n");
    if !headers.iter().any(|line| line.to_ascii_lowercase().starts_with("connection:")) {
        request += "connection: close\r\n";
    }
    for header in headers {
        request += &format!("{header}\r\n");
    }
    if !body.is_empty() {
        request += &format!("content-length: {}\r\n", body.len());
    }
    socket.write_all(format!("{request}\r\n{body}").as_bytes()).unwrap();
    socket
}

/// Sends one more request over an open connection, and reads its answer, which says its length.
#[track_caller]
pub(crate) fn call_over(socket: &mut TcpStream, line: &str) -> Reply {
    socket.write_all(format!("{line} HTTP/1.1\r\nhost: client.example\r\n\r\n").as_bytes()).unwrap();
    let mut bytes = Vec::new();
    while !is_whole(&bytes) {
        let mut more = [0; 4_096];
        let read = socket.read(&mut more).unwrap();
        assert!(read > 0, "closed after {:?}", String::from_utf8_lossy(&bytes));
        bytes.extend(&more[..read]);
    }
    parse(&bytes)
}

/// Reads a head byte by byte, so that what follows stays in the socket.
pub(crate) fn head_bytes(socket: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte)?;
        head.extend(byte);
    }
    Ok(head)
}

fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = header(head, "content-length").map_or(0, |length| length.parse().unwrap());
    body.len() >= length
}

#[track_caller]
pub(crate) fn parse(bytes: &[u8]) -> Reply {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {text:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Reply { status, head: head.to_owned(), body: body.to_owned() }
}
