//! An upstream that follows a script, byte by byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::header;

/// A server on a free port. Its threads end with the test.
pub(crate) struct Upstream {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) head: String,
    pub(crate) body: String,
    pub(crate) at: Instant,
    /// Which connection it came over, from 0.
    pub(crate) connection: usize,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

/// What is done with a request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Answers with this, and keeps the connection.
    Say(String),
    /// Says nothing more, and closes it.
    Close,
    /// Says nothing, and keeps it.
    Hang,
}

/// A response with a status, header lines and a body.
pub(crate) fn say(status: u16, headers: &[&str], body: &str) -> Act {
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    Act::Say(format!("HTTP/1.1 {status} Said\r\n{lines}content-length: {}\r\n\r\n{body}", body.len()))
}

impl Upstream {
    /// Does with each request, by its number from 0, what the script says.
    pub(crate) fn start(script: impl Fn(usize, &Seen) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let (books, script) = (Arc::clone(&seen), Arc::new(script));
        thread::spawn(move || {
            for (connection, socket) in listener.incoming().enumerate() {
                let (books, script) = (Arc::clone(&books), Arc::clone(&script));
                thread::spawn(move || serve(socket.unwrap(), connection, &books, &*script));
            }
        });
        Self { address, seen }
    }

    /// Answers with these, one after the other, the last for good.
    pub(crate) fn answering(acts: Vec<Act>) -> Self {
        Self::start(move |number, _| acts[number.min(acts.len() - 1)].clone())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

/// An address at which nobody listens.
pub(crate) fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn serve(
    socket: TcpStream,
    connection: usize,
    books: &Mutex<Vec<Seen>>,
    script: &(dyn Fn(usize, &Seen) -> Act + Send + Sync),
) {
    let mut reader = BufReader::new(socket.try_clone().unwrap());
    let mut writer = socket;
    while let Some(seen) = read(&mut reader, connection) {
        let number = {
            let mut books = books.lock().unwrap();
            books.push(seen.clone());
            books.len() - 1
        };
        match script(number, &seen) {
            Act::Say(response) => {
                if writer.write_all(response.as_bytes()).is_err() {
                    return;
                }
            }
            Act::Close => return,
            Act::Hang => thread::sleep(Duration::from_secs(60)),
        }
    }
}

fn read(reader: &mut impl BufRead, connection: usize) -> Option<Seen> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let mut body = Vec::new();
    if let Some(length) = header(&head, "content-length") {
        reader.take(length.parse().ok()?).read_to_end(&mut body).ok()?;
    }
    let body = String::from_utf8_lossy(&body).into_owned();
    Some(Seen { head, body, at: Instant::now(), connection })
}
