//! Binds the sockets on which clients and operators connect.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use tokio::net::{TcpListener, TcpSocket};

/// Listens at the address of this key, as `TcpListener::bind` does, whose queue holds no more than 128 that are not
/// accepted yet. Who finds it full knocks again after a second, and a burst of clients is nothing unusual for a gateway.
pub(crate) fn listen(key: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    let bind = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // Windows would let another process take the address away.
        if cfg!(unix) {
            socket.set_reuseaddr(true)?;
        }
        socket.bind(address)?;
        socket.listen(QUEUE)
    };
    bind().with_context(|| format!("{key}: cannot bind {address}"))
}

/// How many may wait to be accepted. The kernel makes no more of it than it allows, which is this on Linux
/// (`net.core.somaxconn`) unless somebody changed it.
const QUEUE: u32 = 4_096;
/// After an `accept` that failed.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
