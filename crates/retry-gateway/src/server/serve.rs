//! The gateway at work: connections in, answers out, until it is told to stop.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::BoxError;

use crate::config::Config;
use crate::connection::info::Downstream;
use crate::connection::limit::{Capacity, Seat};
use crate::connection::rejection::Rejection;
use crate::connection::shutdown::{Drain, Leave};
use crate::connection::timeouts::{Patience, Patient, Pools};
use crate::lifecycle::current::Current;
use crate::lifecycle::reload::Reloader;
use crate::message::problem::Problem;
use crate::proxy::record;
use crate::proxy::state::Gateway;
use crate::server::admin::Admin;
use crate::server::listener::{ACCEPT_PAUSE, listen};
use crate::upstream::response_body::GatewayBody;

/// A gateway that listens, and has not begun to answer.
pub struct Server {
    listener: TcpListener,
    admin: Option<Admin>,
    current: Arc<Current>,
    pools: Pools,
    farewells: Capacity,
}

impl Server {
    /// Binds the address of the configuration.
    pub async fn bind(config: &Config) -> anyhow::Result<Self> {
        let current = Arc::new(Current::new(Gateway::new(config)?));
        let listener = listen("listen", config.listen)?;
        let admin = config.admin.map(Admin::bind).transpose()?;
        Ok(Self { listener, admin, current, pools: Pools::default(), farewells: Capacity::default() })
    }

    /// Where it listens: the port is the real one where the configuration said 0.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Where metrics, health and status are, if anywhere.
    pub fn admin_address(&self) -> std::io::Result<Option<SocketAddr>> {
        self.admin.as_ref().map(Admin::address).transpose()
    }

    /// What reads the file again that `config` is from, and has this server go by it. The listeners stay.
    pub fn reloader(&self, file: &Path, config: &Config) -> std::io::Result<Reloader> {
        Reloader::new(Arc::clone(&self.current), file, config)
    }

    /// Answers until `stop` resolves, and then for as long as the requests under way take, but not for longer than
    /// the configuration's `drain_timeout`.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let admin = self.admin.take().map(|admin| tokio::spawn(admin.run(Arc::clone(&self.current))));
        let drain = Arc::<Drain>::default();
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = &mut stop => break,
            };
            match accepted {
                Ok((socket, peer)) => self.connect(socket, peer, &drain),
                // There is no file descriptor left, for one: others will be closed.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
        self.current.drain();
        drop(self.listener);
        let limit = self.current.gateway().drain_timeout;
        // Whoever takes longer is cut off.
        let _ = tokio::time::timeout(limit, drain.drain()).await;
        if let Some(admin) = admin {
            admin.abort();
        }
    }

    fn connect(&self, socket: TcpStream, peer: SocketAddr, drain: &Arc<Drain>) {
        let gateway = self.current.gateway();
        let acceptor = gateway.acceptor.clone();
        let Some(seat) = self.current.connections.take(gateway.limits.connections) else {
            // Not into the log, which would take longer than all else: those who are turned away may be very many.
            gateway.metrics.rejected(Rejection::Connections);
            // Whoever wants to speak TLS does not understand anything else, and is only hung up on.
            if let Some(seat) = self.farewells.take(FAREWELLS).filter(|_| acceptor.is_none()) {
                tokio::spawn(farewell(socket, seat));
            }
            return;
        };
        // A socket that refuses this is as good without.
        let _ = socket.set_nodelay(true);
        let patience = Arc::new(Patience::new(&gateway.limits, &self.pools));
        let downstream = Arc::new(Downstream::new(
            peer.ip(),
            acceptor.is_some(),
            gateway.trusted_proxies.covers(peer.ip()),
        ));
        let client =
            Client { current: Arc::clone(&self.current), downstream, patience, drain: Arc::clone(drain) };
        tokio::spawn(async move {
            match acceptor {
                None => client.converse(socket, seat).await,
                Some(acceptor) => {
                    let handshake = tokio::time::timeout(HANDSHAKE, acceptor.accept(socket));
                    if let Ok(Ok(socket)) = handshake.await {
                        client.converse(socket, seat).await;
                    }
                }
            }
        });
    }
}

/// A connection that was accepted.
struct Client {
    current: Arc<Current>,
    downstream: Arc<Downstream>,
    patience: Arc<Patience>,
    drain: Arc<Drain>,
}

impl Client {
    /// Speaks HTTP/1.1 or HTTP/2, whichever the client begins with.
    async fn converse<I>(self, socket: I, seat: Seat)
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Self { current, downstream, patience, drain } = self;
        let limits = current.gateway().limits.clone();
        let mut builder = auto::Builder::new(TokioExecutor::new());
        let mut http1 = builder.http1();
        http1.max_buf_size(limits.header_bytes);
        if limits.headers > FREE_HEADERS {
            http1.max_headers(limits.headers);
        }
        let mut http2 = builder.http2();
        http2.timer(TokioTimer::new()).keep_alive_interval(Some(KEEP_ALIVE));
        http2.max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX));
        http2.max_concurrent_streams(limits.max_concurrent_streams);
        let (requests, turns, ip) = (Arc::clone(&current), Arc::clone(&patience), downstream.ip());
        let answer = service_fn(move |request: Request<Incoming>| {
            requests.gateway().answer(request, &downstream, turns.begin())
        });
        let socket = TokioIo::new(Patient::new(socket, Arc::clone(&patience), seat));
        let connection = builder.serve_connection_with_upgrades(socket, answer);
        // A client that goes away ends its connection with an error too, which is nothing to report.
        if let Err(error) = drain.watch(connection).await {
            let by_hyper = || Rejection::of(error.downcast_ref()?);
            if let Some(rejection) = patience.late().or_else(by_hyper) {
                record::record_rejection(&current.gateway(), ip, rejection);
            }
        }
    }
}

/// Says that there is no room, and reads what the client sent meanwhile: a socket that is closed before that takes back
/// what was said.
async fn farewell(mut socket: TcpStream, _seat: Seat) {
    let response = Problem::Overflow.answer("as many connections are open as may", 0);
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap_or_default().to_bytes();
    let mut said = format!("HTTP/1.1 {}\r\n", head.status).into_bytes();
    for (name, value) in &head.headers {
        said.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    said.extend(format!("connection: close\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes());
    said.extend(body);
    let last = async {
        socket.write_all(&said).await?;
        socket.shutdown().await?;
        let mut rest = [0; 1_024];
        while socket.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    let _ = tokio::time::timeout(FAREWELL, last).await;
}

impl<I, S> Leave for auto::UpgradeableConnection<'_, TokioIo<I>, S, TokioExecutor>
where
    Self: Future,
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: Service<
            Request<Incoming>,
            Response = Response<GatewayBody>,
            Future: Send + 'static,
            Error: Into<BoxError>,
        >,
{
    fn leave(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listener", &self.listener)
            .field("current", &self.current)
            .finish_non_exhaustive()
    }
}

/// How long a client may take for its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How often a quiet HTTP/2 connection is asked whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How many header lines hyper reads without an allocation; of fewer there is no need to tell it.
const FREE_HEADERS: usize = 100;
/// To how many at a time it is said that there is no room, and for how long it is tried.
const FAREWELLS: usize = 256;
const FAREWELL: Duration = Duration::from_secs(1);
