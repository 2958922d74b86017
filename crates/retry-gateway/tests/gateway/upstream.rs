//! An upstream that follows a script, byte by byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use testkit::listener::{LateListener, listen, unused_address};

use crate::client::{head_bytes, header};

/// A server on a free port. Its threads end with the test.
pub(crate) struct Upstream {
    address: SocketAddr,
    books: Arc<Mutex<Books>>,
}

/// What came in.
#[derive(Default)]
struct Books {
    seen: Vec<Seen>,
    ends: Vec<End>,
}

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) head: String,
    /// Empty as long as it was not read: that of a request that expects to be asked is for the script to read.
    pub(crate) body: String,
    pub(crate) at: Instant,
    /// Which connection it came over, from 0.
    pub(crate) connection: usize,
}

/// A connection that the gateway closed.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) connection: usize,
    pub(crate) at: Instant,
    /// What came last, and was not taken for a request or its body.
    pub(crate) rest: String,
    /// Whether it was closed in the middle of an answer.
    pub(crate) cut: bool,
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
    /// Says this, waits, says the next, and keeps the connection.
    Slowly(Vec<String>, Duration),
    /// Says this, the rest once the test has come to the barrier too, and keeps the connection.
    Held(String, Arc<Barrier>, String),
    /// Says this, and closes the connection after a while.
    Part(String, Duration),
    /// Says nothing more, and closes it.
    Close,
    /// Says nothing, and keeps it.
    Hang,
    /// Asks for the body of a request that expects it, and answers with this.
    Ask(String),
    /// Waits for it without asking, and answers with this.
    Await(String),
}

/// A response with a status, header lines and a body.
pub(crate) fn say(status: u16, headers: &[&str], body: &str) -> Act {
    Act::Say(response(status, headers, body))
}

/// The same, as it is sent.
pub(crate) fn response(status: u16, headers: &[&str], body: &str) -> String {
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    format!("HTTP/1.1 {status} Said\r\n{lines}content-length: {}\r\n\r\n{body}", body.len())
}

impl Upstream {
    /// Does with each request as the script says of its number, from 0.
    pub(crate) fn start(script: impl Fn(usize, &Seen) -> Act + Send + Sync + 'static) -> Self {
        let books = Arc::<Mutex<Books>>::default();
        let (written, script) = (Arc::clone(&books), Arc::new(script));
        let address = listen(move |connection, socket| serve(socket, connection, &written, &*script));
        Self { address, books }
    }

    /// Answers with these, one after the other, the last for good.
    pub(crate) fn answering(acts: Vec<Act>) -> Self {
        Self::start(move |number, _| acts[number.min(acts.len() - 1)].clone())
    }

    /// Answers 200 from now on at an address that has refused connections so far.
    pub(crate) fn start_late(listener: LateListener) -> Self {
        let books = Arc::<Mutex<Books>>::default();
        let (written, address) = (Arc::clone(&books), listener.address());
        listener.listen(move |connection, socket| {
            serve(socket, connection, &written, &|_, _| say(200, &[], ""));
        });
        Self { address, books }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.books.lock().unwrap().seen.clone()
    }

    /// The requests, once there are so many.
    #[track_caller]
    pub(crate) fn wait_seen(&self, count: usize) -> Vec<Seen> {
        wait_for("request", count, || self.seen())
    }

    /// The connections that the gateway closed, once there are so many.
    #[track_caller]
    pub(crate) fn wait_ends(&self, count: usize) -> Vec<End> {
        wait_for("end", count, || self.books.lock().unwrap().ends.clone())
    }
}

#[track_caller]
fn wait_for<T: std::fmt::Debug>(what: &str, count: usize, found: impl Fn() -> Vec<T>) -> Vec<T> {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let found = found();
        if found.len() >= count {
            return found;
        }
        assert!(Instant::now() < end, "{what} {count} does not come: {found:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// An address at which nobody listens.
pub(crate) fn nobody() -> String {
    format!("http://{}", unused_address())
}

fn serve(
    socket: TcpStream,
    connection: usize,
    books: &Mutex<Books>,
    script: &(dyn Fn(usize, &Seen) -> Act + Send + Sync),
) {
    let mut reader = BufReader::new(socket.try_clone().unwrap());
    let mut writer = socket;
    let mut rest = String::new();
    let mut cut = false;
    while !cut && let Some(head) = read_head(&mut reader, &mut rest) {
        let expects = header(&head, "expect") == Some("100-continue");
        let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        // A client asks with this header for its chunks to be read. Others break their body off.
        let body = match header(&head, "x-reads") {
            _ if expects => None,
            Some("chunks") => read_chunks(&mut reader),
            _ => read_body(&mut reader, length),
        };
        if !expects && body.is_none() {
            break;
        }
        let seen = Seen { head, body: body.unwrap_or_default(), at: Instant::now(), connection };
        let number = {
            let mut books = books.lock().unwrap();
            books.seen.push(seen.clone());
            books.seen.len() - 1
        };
        let take = |reader: &mut BufReader<TcpStream>| {
            let body = read_body(reader, length)?;
            books.lock().unwrap().seen[number].body = body;
            Some(())
        };
        let said = match script(number, &seen) {
            Act::Say(response) => writer.write_all(response.as_bytes()).is_ok(),
            Act::Slowly(pieces, pause) => pieces.iter().enumerate().all(|(number, piece)| {
                thread::sleep(if number > 0 { pause } else { Duration::ZERO });
                writer.write_all(piece.as_bytes()).is_ok()
            }),
            Act::Held(piece, barrier, rest) => {
                let said = writer.write_all(piece.as_bytes()).is_ok();
                barrier.wait();
                said && writer.write_all(rest.as_bytes()).is_ok()
            }
            Act::Part(piece, pause) => {
                let _ = writer.write_all(piece.as_bytes());
                thread::sleep(pause);
                return;
            }
            Act::Close => return,
            Act::Hang => {
                let _ = reader.read_to_string(&mut rest);
                break;
            }
            Act::Ask(response) => {
                let asked = writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").is_ok();
                asked && take(&mut reader).is_some() && writer.write_all(response.as_bytes()).is_ok()
            }
            Act::Await(response) => {
                take(&mut reader).is_some() && writer.write_all(response.as_bytes()).is_ok()
            }
        };
        cut = !said;
    }
    books.lock().unwrap().ends.push(End { connection, at: Instant::now(), rest, cut });
}

/// A server that refuses each upload as soon as it has the head, and closes the connection after a while. What it has not
/// read makes the system reset it.
pub(crate) fn refusing(answer: &'static str, closes_after: Duration) -> SocketAddr {
    listen(move |_, mut socket| {
        if head_bytes(&mut socket).is_ok() {
            let _ = socket.write_all(answer.as_bytes());
            thread::sleep(closes_after);
        }
    })
}

/// The next head; where there is none, what came of it is left in `rest`.
pub(crate) fn read_head(reader: &mut impl BufRead, rest: &mut String) -> Option<String> {
    while !rest.ends_with("\r\n\r\n") {
        if reader.read_line(rest).ok()? == 0 {
            return None;
        }
    }
    Some(std::mem::take(rest))
}

/// The data of all chunks, without trailers.
fn read_chunks(reader: &mut impl BufRead) -> Option<String> {
    let mut body = String::new();
    loop {
        let mut size = String::new();
        reader.read_line(&mut size).ok()?;
        let size = u64::from_str_radix(size.trim(), 16).ok()?;
        body += &read_body(reader, size)?;
        read_body(reader, 2)?;
        if size == 0 {
            return Some(body);
        }
    }
}

fn read_body(reader: &mut impl BufRead, length: u64) -> Option<String> {
    let mut body = String::new();
    reader.take(length).read_to_string(&mut body).ok()?;
    (body.len() as u64 == length).then_some(body)
}
