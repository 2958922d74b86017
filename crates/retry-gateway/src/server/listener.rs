//! Binds the sockets on which clients and operators connect.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use tokio::net::{TcpListener, TcpSocket};

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

/// The most connections that may wait to be accepted. The kernel lowers it to its own limit, `net.core.somaxconn` on
/// Linux, whose default is the same.
const BACKLOG: u32 = 4_096;
/// The pause after an `accept` that failed.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
