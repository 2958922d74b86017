//! An upstream below HTTP/2, that refuses streams and leaves where it is told to (RFC 9113).

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A server on a free port. Its threads end with the test.
pub(crate) struct Http2Upstream {
    address: SocketAddr,
    streams: Arc<Mutex<Vec<Stream>>>,
}

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    /// Which connection it came over, from 0.
    pub(crate) connection: usize,
    /// What was read of its body.
    pub(crate) body: Vec<u8>,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deed {
    /// RST_STREAM with this code, when its head is there.
    Reset(u32),
    /// GOAWAY that leaves it out, when its head is there, and the end of the connection.
    GoAwayBefore,
    /// GOAWAY that counts it in, when its head is there, and the end of the connection without an answer.
    GoAwayAt,
    /// 200, when all of it is there.
    Answer,
}

impl Http2Upstream {
    /// Does with the requests what `deeds` say in turn, and answers all that follow. Before it has a request's head
    /// it takes `window` bytes of its body.
    pub(crate) fn start(window: u32, deeds: Vec<Deed>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let streams = Arc::<Mutex<Vec<Stream>>>::default();
        let (books, deeds) = (Arc::clone(&streams), Arc::new(deeds));
        thread::spawn(move || {
            for (connection, socket) in listener.incoming().enumerate() {
                let (books, deeds) = (Arc::clone(&books), Arc::clone(&deeds));
                let connection = Connection {
                    socket: socket.unwrap(),
                    number: connection,
                    open: HashMap::new(),
                    last: 0,
                    books,
                };
                // The gateway went away.
                thread::spawn(move || connection.serve(window, &deeds).unwrap_or_default());
            }
        });
        Self { address, streams }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn streams(&self) -> Vec<Stream> {
        self.streams.lock().unwrap().clone()
    }
}

struct Connection {
    socket: TcpStream,
    number: usize,
    /// The streams whose bodies are read, and their places in the books.
    open: HashMap<u32, usize>,
    /// The last stream before the one at hand.
    last: u32,
    books: Arc<Mutex<Vec<Stream>>>,
}

impl Connection {
    fn serve(mut self, window: u32, deeds: &[Deed]) -> io::Result<()> {
        let mut preface = [0; PREFACE.len()];
        self.socket.read_exact(&mut preface)?;
        assert_eq!(preface, *PREFACE);
        let setting = [&INITIAL_WINDOW_SIZE.to_be_bytes()[..], &window.to_be_bytes()].concat();
        self.write(SETTINGS, 0, 0, &setting)?;
        loop {
            let (kind, flags, id, payload) = self.read()?;
            match kind {
                SETTINGS if flags & ACK == 0 => self.write(SETTINGS, ACK, 0, &[])?,
                HEADERS => {
                    let place = self.note();
                    match deeds.get(place).copied().unwrap_or(Deed::Answer) {
                        Deed::Reset(code) => self.write(RST_STREAM, 0, id, &code.to_be_bytes())?,
                        Deed::GoAwayBefore => return self.leave(self.last),
                        Deed::GoAwayAt => return self.leave(id),
                        Deed::Answer => {
                            self.open.insert(id, place);
                            self.write(WINDOW_UPDATE, 0, id, &WINDOW.to_be_bytes())?;
                        }
                    }
                    self.last = id;
                }
                DATA => {
                    // Of what came after a stream was reset, too: the window is shared.
                    if !payload.is_empty() {
                        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
                        self.write(WINDOW_UPDATE, 0, 0, &length)?;
                    }
                    if let Some(&place) = self.open.get(&id) {
                        self.books.lock().unwrap()[place].body.extend(payload);
                    }
                }
                _ => {}
            }
            let has_ended = matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0;
            if has_ended && self.open.remove(&id).is_some() {
                // `:status: 200` is entry 8 of the static table (RFC 7541 appendix A).
                self.write(HEADERS, END_HEADERS | END_STREAM, id, &[0x88])?;
            }
        }
    }

    fn note(&self) -> usize {
        let mut streams = self.books.lock().unwrap();
        streams.push(Stream { connection: self.number, body: Vec::new() });
        streams.len() - 1
    }

    /// Says which stream was the last to be processed, and goes. What the gateway still sends is read, because a
    /// socket that is closed before would take back what was said.
    fn leave(&mut self, last: u32) -> io::Result<()> {
        self.write(GOAWAY, 0, 0, &[last.to_be_bytes(), NO_ERROR.to_be_bytes()].concat())?;
        self.socket.shutdown(Shutdown::Write)?;
        io::copy(&mut self.socket, &mut io::sink()).map(drop)
    }

    /// Type, flags, stream and payload of the next frame.
    fn read(&mut self) -> io::Result<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.socket.read_exact(&mut head)?;
        let [l0, l1, l2, kind, flags, id @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, l0, l1, l2]) as usize];
        self.socket.read_exact(&mut payload)?;
        Ok((kind, flags, u32::from_be_bytes(id), payload))
    }

    fn write(&mut self, kind: u8, flags: u8, id: u32, payload: &[u8]) -> io::Result<()> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        self.socket.write_all(&[&length[1..], &[kind, flags], &id.to_be_bytes(), payload].concat())
    }
}

pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
const NO_ERROR: u32 = 0;
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const INITIAL_WINDOW_SIZE: u16 = 4;
/// How much of a body is taken once its request is.
const WINDOW: u32 = 16 * 1024 * 1024;
