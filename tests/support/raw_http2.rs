//! An HTTP/2 server below HTTP/2, that refuses streams and leaves where it is told to.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::listener::Listener;

/// What becomes of a request, once its HEADERS were read (RFC 9113).
#[derive(Clone, Copy, Debug)]
pub(crate) enum StreamDeed {
    /// RST_STREAM with this code.
    ResetStream(u32),
    /// GOAWAY with this last stream and this code, then the end of the connection.
    GoAway(u32, u32),
    /// 200.
    Answer,
}

/// Listens on a port of its own until it is dropped.
pub(crate) struct RawHttp2Server {
    listener: Listener,
    sent: Arc<AtomicUsize>,
}

impl RawHttp2Server {
    /// Does to the requests what `deeds` say in turn, and answers all that follow.
    pub(crate) async fn start<const N: usize>(deeds: [StreamDeed; N]) -> Self {
        let sent = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&sent);
        let listener = Listener::start(move |_, stream| {
            let counter = Arc::clone(&counter);
            async move {
                let _ = serve(stream, &deeds, &counter).await;
            }
        });
        Self { listener: listener.await, sent }
    }

    pub(crate) fn uri(&self) -> String {
        self.listener.uri("/")
    }

    /// How many requests were read.
    pub(crate) fn sent(&self) -> usize {
        self.sent.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: TcpStream, deeds: &[StreamDeed], sent: &AtomicUsize) -> io::Result<()> {
    let mut preface = [0; PREFACE.len()];
    stream.read_exact(&mut preface).await?;
    assert_eq!(preface, *PREFACE);
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    loop {
        let (kind, flags, id) = read(&mut stream).await?;
        match kind {
            SETTINGS if flags & ACK == 0 => stream.write_all(&frame(SETTINGS, ACK, 0, &[])).await?,
            HEADERS => {
                let number = sent.fetch_add(1, Ordering::SeqCst);
                match deeds.get(number).copied().unwrap_or(StreamDeed::Answer) {
                    StreamDeed::ResetStream(code) => {
                        stream.write_all(&frame(RST_STREAM, 0, id, &code.to_be_bytes())).await?;
                    }
                    StreamDeed::GoAway(last, code) => {
                        let payload = [last.to_be_bytes(), code.to_be_bytes()].concat();
                        stream.write_all(&frame(GOAWAY, 0, 0, &payload)).await?;
                        return stream.shutdown().await;
                    }
                    // `:status: 200` is entry 8 of the static table (RFC 7541 appendix A).
                    StreamDeed::Answer => {
                        stream.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, id, &[0x88])).await?;
                    }
                }
            }
            _ => {}
        }
    }
}

/// Type, flags and stream of the next frame, whose payload is skipped.
async fn read(stream: &mut TcpStream) -> io::Result<(u8, u8, u32)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await?;
    let [l0, l1, l2, kind, flags, id @ ..] = head;
    let mut payload = vec![0; u32::from_be_bytes([0, l0, l1, l2]) as usize];
    stream.read_exact(&mut payload).await?;
    Ok((kind, flags, u32::from_be_bytes(id)))
}

fn frame(kind: u8, flags: u8, id: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &id.to_be_bytes(), payload].concat()
}

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
