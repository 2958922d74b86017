//! A client of HTTP/2 that sends and reads frame by frame (RFC 9113).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use testkit::raw_http2::{
    ACK, CANCEL, DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW_SIZE, PING, PREFACE, RST_STREAM,
    SETTINGS, WINDOW_UPDATE, frame,
};

pub(crate) struct Http2Client {
    socket: TcpStream,
    next_stream: u32,
}

/// A frame that came.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn ends_stream(&self) -> bool {
        matches!(self.kind, HEADERS | DATA) && self.flags & END_STREAM != 0
    }
}

impl Http2Client {
    /// Connects, and lets the gateway send so many bytes of each response. The window of the connection is
    /// the largest.
    #[track_caller]
    pub(crate) fn connect(gateway: SocketAddr, window: u32) -> Self {
        let socket = TcpStream::connect(gateway).expect("the gateway listens");
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket.set_nodelay(true).unwrap();
        let mut client = Self { socket, next_stream: 1 };
        let setting = [&INITIAL_WINDOW_SIZE.to_be_bytes()[..], &window.to_be_bytes()].concat();
        let preface = [&PREFACE[..], &frame(SETTINGS, 0, 0, &setting)].concat();
        client.socket.write_all(&preface).unwrap();
        client.grow(0, (1 << 31) - 1 - 65_535);
        client
    }

    /// Sends a request, and returns its stream. With a body the stream stays open.
    #[track_caller]
    pub(crate) fn send(&mut self, method: &str, path: &str, body: Option<&[u8]>) -> u32 {
        self.send_with(method, path, &[], body)
    }

    /// The same, with further headers.
    #[track_caller]
    pub(crate) fn send_with(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        let mut block = Vec::new();
        let pseudo = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "a")];
        for (name, value) in pseudo.iter().chain(headers) {
            // A literal that is not indexed (RFC 7541 section 6.2.2).
            block.push(0);
            for text in [name, value] {
                block.push(u8::try_from(text.len()).unwrap());
                block.extend(text.as_bytes());
            }
        }
        let ends = if body.is_none() { END_STREAM } else { 0 };
        self.socket.write_all(&frame(HEADERS, END_HEADERS | ends, stream, &block)).unwrap();
        if let Some(body) = body.filter(|body| !body.is_empty()) {
            self.data(stream, body, false);
        }
        stream
    }

    /// Sends a piece of a request's body.
    pub(crate) fn data(&mut self, stream: u32, bytes: &[u8], is_last: bool) {
        let flags = if is_last { END_STREAM } else { 0 };
        self.socket.write_all(&frame(DATA, flags, stream, bytes)).unwrap();
    }

    /// Resets a stream.
    pub(crate) fn reset(&mut self, stream: u32) {
        self.socket.write_all(&frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())).unwrap();
    }

    /// Lets the gateway send more bytes of a response, or over the connection, which is stream 0.
    pub(crate) fn grow(&mut self, stream: u32, bytes: u32) {
        // The gateway may have closed the connection.
        let _ = self.socket.write_all(&frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes()));
    }

    /// Reads the next frame, but for settings and pings, which it answers. `None` if the connection is closed.
    #[track_caller]
    pub(crate) fn read(&mut self) -> Option<Frame> {
        loop {
            let mut head = [0; 9];
            match self.socket.read_exact(&mut head) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("nothing comes"),
                Err(_) => return None,
                Ok(()) => {}
            }
            let [l0, l1, l2, kind, flags, stream @ ..] = head;
            let mut payload = vec![0; u32::from_be_bytes([0, l0, l1, l2]) as usize];
            self.socket.read_exact(&mut payload).ok()?;
            match kind {
                SETTINGS | PING if flags & ACK == 0 => {
                    let payload = if kind == PING { &payload[..] } else { &[] };
                    let _ = self.socket.write_all(&frame(kind, ACK, 0, payload));
                }
                SETTINGS | PING | WINDOW_UPDATE => {}
                _ => return Some(Frame { kind, flags, stream: u32::from_be_bytes(stream), payload }),
            }
        }
    }

    /// Reads until this stream ends, or is reset. Returns the last frame of it, if the connection stays.
    #[track_caller]
    pub(crate) fn read_end(&mut self, stream: u32) -> Option<Frame> {
        loop {
            let frame = self.read()?;
            if frame.stream == stream && (frame.ends_stream() || !matches!(frame.kind, HEADERS | DATA)) {
                return Some(frame);
            }
        }
    }
}
