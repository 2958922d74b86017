//! Clients of a proxy that neither read what they are sent nor send the rest of what they began, while their requests wait.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use http::Request;
use http_body_util::Full;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::figure::Figure;
use super::load::{LoadResult, work};
use super::pairs::Pairs;
use super::proxy::{ProxyKey, ProxyPace, StartProxy};
use super::server::HarmServer;
use super::server_model::{Refuses, ServerSettings};
use crate::caller::Caller;
use crate::server::REQUEST_ID;

/// The requests of clients that act.
const REQUESTS: u32 = 100;
/// The second half of them comes after this time, when most of the others wait.
const SECOND_HALF_AFTER: Duration = Duration::from_millis(200);
/// The clients that do not act come after this time, when a queue has formed.
const STALL_AFTER: Duration = Duration::from_millis(250);
/// The clients that do not act, a third of each kind.
const STALLED: u32 = 12;

/// Plays the row.
pub(super) async fn play(start: &StartProxy) -> anyhow::Result<Vec<Figure>> {
    let pace = || Some(ProxyPace::new(ProxyKey::Upstream));
    let pair = async || Ok((send(start, pace(), true).await?, send(start, pace(), false).await?));
    let pairs = Pairs::play("stalled-clients", async || send(start, None, true).await, pair).await?;
    Ok(vec![pairs.mean_time()])
}

/// Sends the requests beside clients that do not act, or beside as many that do. Returns what came of those that act in both
/// runs.
async fn send(start: &StartProxy, pace: Option<ProxyPace>, stalls: bool) -> anyhow::Result<LoadResult> {
    let refuses = Refuses::WithoutToken { rate: 50, burst: 10, lifted_after: None };
    let server = HarmServer::start(ServerSettings::new(refuses)).await?;
    let proxy = start(server.address(), pace).await?;
    let address = proxy.address();
    let make = move |_| Request::get(format!("http://{address}/")).body(Full::default());
    let caller = Caller::plain(1, make);
    let started_at = Instant::now();
    let mut tasks = JoinSet::new();
    let mut send = |ids: std::ops::Range<u32>| {
        let (next, end) = (Arc::new(AtomicU32::new(ids.start)), ids.end);
        for _ in ids {
            tasks.spawn(work(caller.clone(), Arc::clone(&next), end));
        }
    };
    send(0..REQUESTS / 2);
    tokio::time::sleep_until(started_at + SECOND_HALF_AFTER).await;
    send(REQUESTS / 2..REQUESTS);
    tokio::time::sleep_until(started_at + STALL_AFTER).await;
    let mut stalled = Vec::new();
    let mut others = JoinSet::new();
    for id in REQUESTS..REQUESTS + STALLED {
        if stalls {
            stalled.push(stall(address, id).await?);
        } else {
            others.spawn(work(caller.clone(), Arc::new(AtomicU32::new(id)), id + 1));
        }
    }
    let mut requests = Vec::new();
    while let Some(results) = tasks.join_next().await {
        requests.extend(results??);
    }
    Ok(LoadResult { requests, time: started_at.elapsed() })
}

/// Opens the connection of a client that does not act: it never reads, or it has sent half of its body.
async fn stall(proxy: SocketAddr, id: u32) -> anyhow::Result<TcpStream> {
    let mut connection = TcpStream::connect(proxy).await?;
    let bytes = match id % 3 {
        0 => format!("GET / HTTP/1.1\r\nhost: {proxy}\r\n{REQUEST_ID}: {id}\r\n\r\n").into_bytes(),
        1 => {
            format!("POST / HTTP/1.1\r\nhost: {proxy}\r\n{REQUEST_ID}: {id}\r\ncontent-length: 8\r\n\r\nhalf")
                .into_bytes()
        }
        _ => http2_request(proxy, id),
    };
    connection.write_all(&bytes).await?;
    Ok(connection)
}

/// Returns the bytes of a GET over HTTP/2: the preface, empty settings, and the stream's headers (RFC 9113 sections 3.4, 6.2
/// and 6.5).
fn http2_request(proxy: SocketAddr, id: u32) -> Vec<u8> {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    // The entries of the static table for GET, http and "/" (RFC 7541 appendix A).
    let mut fields = vec![0x82, 0x86, 0x84];
    // `:authority` is entry 1, and the other name is new.
    fields.push(0x01);
    push_text(&mut fields, &proxy.to_string());
    fields.push(0x00);
    push_text(&mut fields, REQUEST_ID);
    push_text(&mut fields, &id.to_string());
    let mut bytes = [PREFACE, SETTINGS, &[0, 0, fields.len() as u8, 1, 0x05, 0, 0, 0, 1]].concat();
    bytes.append(&mut fields);
    bytes
}

/// Appends a text shorter than 127 bytes without Huffman coding.
fn push_text(fields: &mut Vec<u8>, text: &str) {
    fields.push(text.len() as u8);
    fields.extend_from_slice(text.as_bytes());
}
