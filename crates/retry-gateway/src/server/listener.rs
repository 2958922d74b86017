//! Binds the sockets on which clients and operators connect.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::connection::descriptors;
use crate::telemetry::log_writer::report_exhausted;

/// Binds a listener to the address of this key. `TcpListener::bind` would do the same with a backlog of 128: a client
/// that meets a full backlog tries again only after a second, and bursts of clients are normal for a gateway.
pub(crate) fn listen(key: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    let bind = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // On Windows this option would let another process take the address over.
        if cfg!(unix) {
            socket.set_reuseaddr(true)?;
        }
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bind().with_context(|| format!("{key}: cannot bind {address}"))
}

/// Checks that this machine has the address of a key, with a port that the system chooses.
pub(crate) fn check(key: &str, address: SocketAddr) -> anyhow::Result<()> {
    let bound = std::net::TcpListener::bind((address.ip(), 0));
    bound.map(drop).with_context(|| format!("{key}: cannot bind {}", address.ip()))
}

/// Closes a listener, and returns the connections that were still waiting to be accepted.
pub(crate) fn close(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let mut waiting = Vec::new();
    // The listener of the runtime would report only what the runtime has noticed.
    let Ok(listener) = listener.into_std() else { return waiting };
    while waiting.len() < BACKLOG as usize {
        match listener.accept() {
            Ok((socket, peer)) => {
                let is_nonblocking = socket.set_nonblocking(true);
                if let Ok(socket) = is_nonblocking.and_then(|()| TcpStream::from_std(socket)) {
                    waiting.push((socket, peer));
                }
            }
            // A client that has gone again is none of the others' business.
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
            Err(_) => break,
        }
    }
    waiting
}

/// Waits before the next `accept`. The usual cause of an error is that no file descriptor is left. Other connections will
/// close and free some.
pub(crate) async fn after_failed_accept(error: &io::Error, peer: &str) {
    if descriptors::is_exhausted(error) {
        report_exhausted(peer);
    }
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

/// The most connections that may wait to be accepted. The kernel lowers it to its own limit, `net.core.somaxconn` on
/// Linux, whose default is the same.
const BACKLOG: u32 = 4_096;
/// The pause after an `accept` that failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
