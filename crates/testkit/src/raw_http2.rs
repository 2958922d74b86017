//! A server below HTTP/2 that refuses streams and leaves where its script says so (RFC 9113), and its frames.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, LazyLock, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

use crate::listener::Listener;

/// The server's reaction to a request.
#[derive(Clone, Copy, Debug)]
pub enum StreamDeed {
    /// Sends RST_STREAM with this code, once it has the head.
    ResetStream(u32),
    /// Sends GOAWAY with this last stream and this code, once it has the head, and ends the connection.
    GoAway(u32, u32),
    /// Sends GOAWAY that leaves the request out, once it has the head, and ends the connection.
    GoAwayBefore,
    /// Sends GOAWAY that counts the request in, once it has the head, and ends the connection without an answer.
    GoAwayAt,
    /// Answers 200, once it has the whole request.
    Answer,
    /// Does the same, sends GOAWAY that counts the request in, and ends the connection.
    AnswerAndGoAway,
    /// Answers 200, once it has the whole request, and ends the connection.
    AnswerAndClose,
    /// Sends these frames on the stream, once it has the head.
    Send(Frames),
    /// Sends these frames on the stream, once the client has reset it.
    SendAfterReset(Frames),
}

/// Type, flags and payload of each frame.
pub type Frames = &'static [(u8, u8, &'static [u8])];

/// Listens on a port of its own until it is dropped.
#[derive(Debug)]
pub struct RawHttp2Server {
    listener: Listener,
    streams: Streams,
}

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct Stream {
    /// The number of its connection, from 0.
    pub connection: usize,
    /// The part of its body that was read.
    pub body: Vec<u8>,
    /// Set once the client has reset the stream.
    pub is_reset: bool,
}

type Streams = Arc<Mutex<Vec<Stream>>>;

impl RawHttp2Server {
    /// Does to the requests what `deeds` say in turn, and answers all that follow.
    pub async fn start<const N: usize>(deeds: [StreamDeed; N]) -> Self {
        Self::with_window(DEFAULT_WINDOW, deeds.to_vec()).await
    }

    /// Does the same for a test without a runtime. It takes `window` bytes of a request's body before it has the head.
    pub fn start_blocking(window: u32, deeds: Vec<StreamDeed>) -> Self {
        static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
            Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
        });
        RUNTIME.block_on(Self::with_window(window, deeds))
    }

    async fn with_window(window: u32, deeds: Vec<StreamDeed>) -> Self {
        let (streams, deeds) = (Streams::default(), Arc::<[StreamDeed]>::from(deeds));
        let log = Arc::clone(&streams);
        let listener = Listener::start(move |number, socket| {
            let (log, deeds) = (Arc::clone(&log), Arc::clone(&deeds));
            let connection = Connection {
                socket,
                number: number - 1,
                open: HashMap::new(),
                places: HashMap::new(),
                late: HashMap::new(),
                last: 0,
                log,
            };
            async move {
                // The client went away.
                let _ = connection.serve(window, &deeds).await;
            }
        });
        Self { listener: listener.await, streams }
    }

    /// Returns the URI of the path `/`.
    pub fn uri(&self) -> String {
        self.listener.uri("/")
    }

    /// Returns the URL without a path.
    pub fn url(&self) -> String {
        self.listener.uri("")
    }

    /// Returns how many requests were read.
    pub fn sent(&self) -> usize {
        self.streams.lock().unwrap().len()
    }

    /// Returns the requests, in the order of their heads.
    pub fn streams(&self) -> Vec<Stream> {
        self.streams.lock().unwrap().clone()
    }
}

struct Connection {
    socket: TcpStream,
    number: usize,
    /// The streams whose bodies are read, with their places in the log and what is done at their end.
    open: HashMap<u32, (usize, StreamDeed)>,
    /// The places of all streams in the log.
    places: HashMap<u32, usize>,
    /// The frames for streams that the client has not reset yet.
    late: HashMap<u32, Frames>,
    /// The last stream before the one at hand.
    last: u32,
    log: Streams,
}

impl Connection {
    async fn serve(mut self, window: u32, deeds: &[StreamDeed]) -> io::Result<()> {
        let mut preface = [0; PREFACE.len()];
        self.socket.read_exact(&mut preface).await?;
        assert_eq!(preface, *PREFACE);
        let setting = [&INITIAL_WINDOW_SIZE.to_be_bytes()[..], &window.to_be_bytes()].concat();
        self.write(SETTINGS, 0, 0, &setting).await?;
        loop {
            let (kind, flags, id, payload) = self.read().await?;
            match kind {
                SETTINGS if flags & ACK == 0 => self.write(SETTINGS, ACK, 0, &[]).await?,
                HEADERS => {
                    let place = self.record();
                    self.places.insert(id, place);
                    match deeds.get(place).copied().unwrap_or(StreamDeed::Answer) {
                        StreamDeed::ResetStream(code) => {
                            self.write(RST_STREAM, 0, id, &code.to_be_bytes()).await?;
                        }
                        StreamDeed::GoAway(last, code) => return self.leave(last, code).await,
                        StreamDeed::GoAwayBefore => return self.leave(self.last, NO_ERROR).await,
                        StreamDeed::GoAwayAt => return self.leave(id, NO_ERROR).await,
                        StreamDeed::Send(frames) => self.send(id, frames).await?,
                        StreamDeed::SendAfterReset(frames) => drop(self.late.insert(id, frames)),
                        deed @ (StreamDeed::Answer
                        | StreamDeed::AnswerAndGoAway
                        | StreamDeed::AnswerAndClose) => {
                            self.open.insert(id, (place, deed));
                            self.write(WINDOW_UPDATE, 0, id, &WINDOW.to_be_bytes()).await?;
                        }
                    }
                    self.last = id;
                }
                DATA => {
                    // Data of a stream that was reset is given back too: the window is shared.
                    if !payload.is_empty() {
                        let length = u32::try_from(payload.len()).expect("a frame's length").to_be_bytes();
                        self.write(WINDOW_UPDATE, 0, 0, &length).await?;
                    }
                    if let Some(&(place, _)) = self.open.get(&id) {
                        self.log.lock().unwrap()[place].body.extend(payload);
                    }
                }
                RST_STREAM => {
                    if let Some(&place) = self.places.get(&id) {
                        self.log.lock().unwrap()[place].is_reset = true;
                    }
                    let frames = self.late.remove(&id).unwrap_or_default();
                    self.send(id, frames).await?;
                }
                _ => {}
            }
            let has_ended = matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0;
            if has_ended && let Some((_, deed)) = self.open.remove(&id) {
                // `:status: 200` is entry 8 of the static table (RFC 7541 appendix A).
                self.write(HEADERS, END_HEADERS | END_STREAM, id, &[0x88]).await?;
                match deed {
                    StreamDeed::AnswerAndGoAway => return self.leave(id, NO_ERROR).await,
                    StreamDeed::AnswerAndClose => return self.close().await,
                    _ => {}
                }
            }
        }
    }

    async fn send(&mut self, id: u32, frames: Frames) -> io::Result<()> {
        for (kind, flags, payload) in frames {
            self.write(*kind, *flags, id, payload).await?;
        }
        Ok(())
    }

    fn record(&self) -> usize {
        let mut streams = self.log.lock().unwrap();
        streams.push(Stream { connection: self.number, body: Vec::new(), is_reset: false });
        streams.len() - 1
    }

    /// Names the last stream that it processes, and goes.
    async fn leave(&mut self, last: u32, code: u32) -> io::Result<()> {
        self.write(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat()).await?;
        self.close().await
    }

    /// Ends the connection. It reads what the client still sends, because a socket that is closed before would take back what was
    /// sent last.
    async fn close(&mut self) -> io::Result<()> {
        self.socket.shutdown().await?;
        tokio::io::copy(&mut self.socket, &mut tokio::io::sink()).await.map(drop)
    }

    /// Reads type, flags, stream and payload of the next frame.
    async fn read(&mut self) -> io::Result<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.socket.read_exact(&mut head).await?;
        let [l0, l1, l2, kind, flags, id @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, l0, l1, l2]) as usize];
        self.socket.read_exact(&mut payload).await?;
        Ok((kind, flags, u32::from_be_bytes(id), payload))
    }

    async fn write(&mut self, kind: u8, flags: u8, id: u32, payload: &[u8]) -> io::Result<()> {
        self.socket.write_all(&frame(kind, flags, id, payload)).await
    }
}

/// Returns the bytes of a frame: type, flags, stream and payload.
pub fn frame(kind: u8, flags: u8, id: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame's length").to_be_bytes();
    [&length[1..], &[kind, flags], &id.to_be_bytes(), payload].concat()
}

/// The first bytes of a client.
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The window of RFC 9113 section 6.9.2.
pub const DEFAULT_WINDOW: u32 = 65_535;

/// An error code.
pub const NO_ERROR: u32 = 0;
/// An error code.
pub const REFUSED_STREAM: u32 = 7;
/// An error code.
pub const CANCEL: u32 = 8;

/// A frame's type.
pub const DATA: u8 = 0;
/// A frame's type.
pub const HEADERS: u8 = 1;
/// A frame's type.
pub const RST_STREAM: u8 = 3;
/// A frame's type.
pub const SETTINGS: u8 = 4;
/// A frame's type.
pub const GOAWAY: u8 = 7;
/// A frame's type.
pub const PING: u8 = 6;
/// A frame's type.
pub const WINDOW_UPDATE: u8 = 8;

/// A flag of HEADERS and DATA.
pub const END_STREAM: u8 = 1;
/// A flag of HEADERS.
pub const END_HEADERS: u8 = 4;
/// A flag of SETTINGS and PING.
pub const ACK: u8 = 1;

/// A setting: the window of each new stream.
pub const INITIAL_WINDOW_SIZE: u16 = 4;
/// The bytes of a body that the server takes once it has the request's head.
const WINDOW: u32 = 16 * 1024 * 1024;
