//! The accept loops of the scripted servers.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

/// Listens on a port of its own until it is dropped, and then ends its connections.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    _task: JoinSet<()>,
}

impl Listener {
    /// Serves each connection in a task of its own; connections are counted from 1.
    pub async fn start<F, S>(serve: F) -> Self
    where
        F: Fn(usize, TcpStream) -> S + Send + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            for number in 1.. {
                let (stream, _) = listener.accept().await.expect("a connection");
                connections.spawn(serve(number, stream));
            }
        });
        Self { address, _task: task }
    }

    /// Returns the address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URI of a path, which begins with `/`.
    pub fn uri(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// Listens on a free port, and serves each connection in a thread of its own; connections are counted from 0. The threads
/// end with the process.
pub fn listen(serve: impl Fn(usize, std::net::TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    accept(listener, serve);
    address
}

fn accept(
    listener: std::net::TcpListener,
    serve: impl Fn(usize, std::net::TcpStream) + Send + Sync + 'static,
) {
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let serve = Arc::clone(&serve);
            thread::spawn(move || serve(number, stream.expect("a connection")));
        }
    });
}

/// An address that refuses connections until a server is started there.
#[derive(Debug)]
pub struct LateListener(TcpSocket);

impl LateListener {
    /// Takes a free port, on which nobody else can listen.
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
        Self(socket)
    }

    /// Returns the address.
    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("it is bound")
    }

    /// Serves the connections from now on, as [`listen`] does.
    pub fn listen(self, serve: impl Fn(usize, std::net::TcpStream) + Send + Sync + 'static) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
        let listener = runtime.block_on(async { self.0.listen(1_024)?.into_std() }).expect("it listens");
        listener.set_nonblocking(false).expect("a blocking socket");
        accept(listener, serve);
    }
}

impl Default for LateListener {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns an address that refuses connections.
pub fn unused_address() -> SocketAddr {
    // Bound for as long as the process runs, so that no other server gets the port, and never listened on.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
    let address = socket.local_addr().expect("it is bound");
    std::mem::forget(socket);
    address
}
