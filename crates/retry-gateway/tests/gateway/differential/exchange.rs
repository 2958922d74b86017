//! One case through one proxy: a client and a server that say exactly what the case has, and keep what arrives.

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use testkit::listener::listen;

use super::http2;
use super::http2_server::Http2Server;
use super::message::{Message, Reader, escaped, text};

/// Bytes that a client and a server exchange.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) title: String,
    pub(super) request: Vec<u8>,
    /// The client speaks HTTP/2.
    pub(super) is_http2: bool,
    pub(super) response: Vec<u8>,
    /// The server closes the connection after its response.
    pub(super) closes: bool,
    /// The bytes under test are written in pieces of this size.
    pub(super) piece: usize,
}

impl Case {
    /// Returns the title of a case that is about header lines.
    pub(super) fn title_of(lines: &[u8]) -> String {
        format!("header {}", escaped(lines)).replace("\\r\\n", ", then ")
    }
}

/// What arrived of a case: at the server and at the client.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) requests: Vec<Message>,
    /// Empty if the proxy closed the connection without a response, and over HTTP/2.
    pub(super) responses: Vec<Message>,
    /// What the proxy answered in place of the server.
    pub(super) own_answer: Option<String>,
}

/// A server that answers as the case of the moment says.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    state: Arc<Mutex<State>>,
    /// Set if it speaks HTTP/2.
    _http2: Option<Http2Server>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) requests: Vec<Message>,
    response: Vec<u8>,
    closes: bool,
    piece: usize,
}

impl Server {
    pub(super) fn start() -> Self {
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let address = listen(move |_, socket| serve(&socket, &shared));
        Self { address, state, _http2: None }
    }

    /// Speaks HTTP/2, and answers all requests with the same response.
    pub(super) fn start_http2() -> Self {
        let state = Arc::<Mutex<State>>::default();
        let server = Http2Server::start(&state);
        Self { address: server.address(), state, _http2: Some(server) }
    }

    /// Sends a request through the proxy in front of this server.
    #[track_caller]
    pub(super) fn play(&self, proxy: SocketAddr, case: &Case) -> Arrived {
        {
            let mut state = self.state.lock().unwrap();
            state.requests.clear();
            state.response.clone_from(&case.response);
            (state.closes, state.piece) = (case.closes, case.piece);
        }
        let socket = TcpStream::connect(proxy).expect("the proxy listens");
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        // A proxy that rejects a request may close before it has read all of it, and what it says counts.
        let _ = write(&socket, &case.request, case.piece);
        let mut reader = BufReader::new(&socket);
        if case.is_http2 {
            let is_answered = http2::read_response(&mut reader);
            let requests = std::mem::take(&mut self.state.lock().unwrap().requests);
            let is_rejected = !is_answered || requests.is_empty();
            return Arrived {
                requests,
                responses: Vec::new(),
                own_answer: is_rejected.then(|| "none".to_owned()),
            };
        }
        let is_head = case.request.starts_with(b"HEAD ");
        let mut responses = Vec::new();
        while let Some(response) = Message::read(&mut reader, Reader::Client { is_head }) {
            let is_last = !response.is_interim();
            responses.push(response);
            if is_last {
                break;
            }
        }
        let own_answer = match responses.last() {
            None => Some("none".to_owned()),
            Some(response) if response.has(FROM_SERVER) => None,
            Some(response) => Some(text(response.status())),
        };
        if own_answer.is_some() {
            // The proxy may have sent the server a part of the request.
            thread::sleep(Duration::from_millis(100));
        }
        let requests = std::mem::take(&mut self.state.lock().unwrap().requests);
        Arrived { requests, responses, own_answer }
    }
}

/// A header of each response of the server.
const FROM_SERVER: &str = "x-from-server";

fn serve(socket: &TcpStream, state: &Mutex<State>) {
    socket.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(socket);
    while let Some(request) = Message::read(&mut reader, Reader::Server) {
        let (response, closes, piece) = {
            let mut state = state.lock().unwrap();
            state.requests.push(request);
            (state.response.clone(), state.closes, state.piece)
        };
        if write(socket, &response, piece).is_err() || closes {
            return;
        }
    }
}

fn write(mut socket: &TcpStream, bytes: &[u8], piece: usize) -> std::io::Result<()> {
    if piece == 0 {
        return socket.write_all(bytes);
    }
    bytes.chunks(piece).try_for_each(|piece| {
        socket.write_all(piece)?;
        // So that each piece is a packet of its own.
        thread::sleep(Duration::from_micros(200));
        Ok(())
    })
}
