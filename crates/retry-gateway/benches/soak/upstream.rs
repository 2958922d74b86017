//! An upstream that does as it is told: a process of its own, which can be killed and paused.
//!
//! It speaks HTTP/1.1 by hand, because no library would send half a head. Its standard input says how it behaves, a
//! word a line, and it ends with it; its standard output is its book.

use std::collections::HashMap;
use std::io::{self, BufRead, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::book::Event;
use crate::pattern;

/// The first argument of the process that is one; where it listens comes next.
pub(crate) const NAME: &str = "upstream";

/// How it behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Well,
    /// It closes its listener.
    Refuse,
    /// It resets the connection after the head.
    ResetEarly,
    /// It resets the connection after the request was processed.
    ResetLate,
    Slow,
    /// 503.
    Busy,
    /// 503 with `Retry-After`.
    Later,
    HalfHead,
    HalfBody,
}

impl Mode {
    pub(crate) const ALL: [(Self, &str); 9] = [
        (Self::Well, "well"),
        (Self::Refuse, "refuse"),
        (Self::ResetEarly, "reset before the body"),
        (Self::ResetLate, "reset before the answer"),
        (Self::Slow, "slow"),
        (Self::Busy, "503"),
        (Self::Later, "503 with Retry-After"),
        (Self::HalfHead, "half a head"),
        (Self::HalfBody, "half a body"),
    ];
}

/// Is an upstream, in a process that was started to be.
pub(crate) fn run_if_asked() -> Option<anyhow::Result<()>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [name, listen] = &arguments[..] else { return None };
    let run = || {
        let listen = listen.parse()?;
        let mode = Arc::<AtomicUsize>::default();
        let heard = Arc::clone(&mode);
        std::thread::spawn(move || {
            for line in io::stdin().lock().lines().map_while(Result::ok) {
                let place = Mode::ALL.iter().position(|(_, name)| *name == line);
                heard.store(place.unwrap_or(0), Ordering::Relaxed);
            }
            std::process::exit(0);
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(run(listen, mode))?)
    };
    (name == NAME).then(run)
}

async fn run(listen: SocketAddr, mode: Arc<AtomicUsize>) -> io::Result<()> {
    let now = |mode: &AtomicUsize| Mode::ALL[mode.load(Ordering::Relaxed)].0;
    loop {
        let listener = TcpListener::bind(listen).await?;
        while now(&mode) != Mode::Refuse {
            tokio::select! {
                accepted = listener.accept() => {
                    let mode = Arc::clone(&mode);
                    let mode = move || now(&mode);
                    let socket = accepted?.0;
                    socket.set_nodelay(true)?;
                    tokio::spawn(async move { serve(BufReader::new(socket), mode).await });
                }
                () = sleep(LOOK) => {}
            }
        }
        drop(listener);
        while now(&mode) == Mode::Refuse {
            sleep(LOOK).await;
        }
    }
}

/// One connection, until it ends in one way or another.
async fn serve(mut socket: BufReader<TcpStream>, mode: impl Fn() -> Mode) -> io::Result<()> {
    while let Some(head) = head(&mut socket).await? {
        let mode = mode();
        note(Event::Head, head.id);
        if mode == Mode::ResetEarly {
            return socket.into_inner().set_zero_linger();
        }
        let body = match body(&mut socket, &head).await {
            Ok(body) => body,
            Err(error) => {
                note(Event::Torn, head.id);
                return Err(error);
            }
        };
        if matches!(mode, Mode::Busy | Mode::Later) {
            let after = (mode == Mode::Later).then_some(AFTER[head.id as usize % AFTER.len()]);
            note(Event::Told(after), head.id);
            let after = after.map(|seconds| format!("retry-after: {seconds}\r\n")).unwrap_or_default();
            let text =
                format!("HTTP/1.1 503 Busy\r\nx-id: {}\r\n{after}content-length: 4\r\n\r\nbusy", head.id);
            socket.write_all(text.as_bytes()).await?;
            continue;
        }
        note(Event::Processed { hash: pattern::hash(&body), len: body.len() }, head.id);
        let (start, content) = answer(&head);
        match mode {
            Mode::ResetLate => return socket.into_inner().set_zero_linger(),
            Mode::HalfHead => return socket.write_all(&start.as_bytes()[..start.len() / 2]).await,
            Mode::HalfBody => {
                note(Event::Cut, head.id);
                socket.write_all(start.as_bytes()).await?;
                return socket.write_all(&content[..content.len() / 2]).await;
            }
            Mode::Slow => sleep(SLOW[head.id as usize % SLOW.len()]).await,
            _ => {}
        }
        socket.write_all(start.as_bytes()).await?;
        socket.write_all(&content).await?;
    }
    Ok(())
}

struct Head {
    id: u64,
    headers: HashMap<String, String>,
}

/// `None` where the connection ends instead.
async fn head(socket: &mut BufReader<TcpStream>) -> io::Result<Option<Head>> {
    let mut line = String::new();
    if socket.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or_default();
    let id = pattern::id_of(path).ok_or(io::ErrorKind::InvalidData)?;
    let mut headers = HashMap::new();
    loop {
        line.clear();
        if socket.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let Some((name, value)) = line.trim_end().split_once(':') else {
            return Ok(Some(Head { id, headers }));
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
}

async fn body(socket: &mut BufReader<TcpStream>, head: &Head) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if !head.headers.contains_key("transfer-encoding") {
        let len = head.headers.get("content-length").map_or(Ok(0), |len| len.parse());
        body.resize(len.map_err(|_| io::ErrorKind::InvalidData)?, 0);
        socket.read_exact(&mut body).await?;
        return Ok(body);
    }
    loop {
        let mut line = String::new();
        socket.read_line(&mut line).await?;
        let len = usize::from_str_radix(line.trim_end(), 16).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let begin = body.len();
        body.resize(begin + len + 2, 0);
        socket.read_exact(&mut body[begin..]).await?;
        body.truncate(begin + len);
        if len == 0 {
            return Ok(body);
        }
    }
}

/// A 200: its head, and what follows it.
fn answer(head: &Head) -> (String, Vec<u8>) {
    let len = head.headers.get("x-size").and_then(|len| len.parse().ok()).unwrap_or(100);
    let content = pattern::bytes(!head.id, len);
    if !head.headers.contains_key("x-chunked") {
        let start = format!("HTTP/1.1 200 OK\r\nx-id: {}\r\ncontent-length: {len}\r\n\r\n", head.id);
        return (start, content);
    }
    let chunk = |piece: &[u8]| [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
    let mut chunks: Vec<u8> = content.chunks(10_000).flat_map(chunk).collect();
    chunks.extend_from_slice(b"0\r\n\r\n");
    (format!("HTTP/1.1 200 OK\r\nx-id: {}\r\ntransfer-encoding: chunked\r\n\r\n", head.id), chunks)
}

fn note(event: Event, id: u64) {
    // In one piece, so that a kill leaves no half of a line.
    let line = format!("{}\n", event.write(id));
    let _ = io::stdout().lock().write_all(line.as_bytes()).and_then(|()| io::stdout().flush());
}

const LOOK: Duration = Duration::from_millis(20);
/// Seconds. The last is longer than is waited for.
const AFTER: [u64; 4] = [1, 1, 2, 30];
/// Less than a try may take, and more.
const SLOW: [Duration; 3] =
    [Duration::from_millis(50), Duration::from_millis(300), Duration::from_millis(1500)];
