//! The gateway at work: connections in, answers out, until it is told to stop.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tower::BoxError;

use crate::admin::Admin;
use crate::alarm::Alarms;
use crate::body::GatewayBody;
use crate::config::Config;
use crate::drain::{Drain, Leave};
use crate::forward::Downstream;
use crate::proxy::Gateway;
use crate::tls;

/// A gateway that listens, and has not begun to answer.
pub struct Server {
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    admin: Option<Admin>,
    gateway: Arc<Gateway>,
    /// Of clients that take their time.
    alarms: Alarms,
}

impl Server {
    /// Binds the address of the configuration.
    pub async fn bind(config: &Config) -> anyhow::Result<Self> {
        let gateway = Arc::new(Gateway::new(config)?);
        let acceptor = config.tls.as_ref().map(tls::server).transpose()?.map(TlsAcceptor::from);
        let listener = TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("listen: cannot bind {}", config.listen))?;
        let admin = match config.admin {
            Some(address) => Some(Admin::bind(address).await?),
            None => None,
        };
        Ok(Self { listener, acceptor, admin, gateway, alarms: Alarms::default() })
    }

    /// Where it listens: the port is the real one where the configuration said 0.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Where metrics, health and status are, if anywhere.
    pub fn admin_address(&self) -> std::io::Result<Option<SocketAddr>> {
        self.admin.as_ref().map(Admin::address).transpose()
    }

    /// Answers until `stop` resolves, and then for as long as the requests under way take, but not for longer than
    /// half a minute.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let admin = self.admin.take().map(|admin| tokio::spawn(admin.run(Arc::clone(&self.gateway))));
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
        self.gateway.drain();
        drop(self.listener);
        // Whoever takes longer is cut off.
        let _ = tokio::time::timeout(DRAIN, drain.drain()).await;
        if let Some(admin) = admin {
            admin.abort();
        }
    }

    fn downstream(&self, ip: IpAddr) -> Downstream {
        Downstream::new(ip, self.acceptor.is_some(), self.gateway.trust.covers(ip))
    }

    fn connect(&self, socket: TcpStream, peer: SocketAddr, drain: &Arc<Drain>) {
        // A socket that refuses this is as good without.
        let _ = socket.set_nodelay(true);
        let downstream = Arc::new(self.downstream(peer.ip()));
        let (gateway, acceptor) = (Arc::clone(&self.gateway), self.acceptor.clone());
        let (alarms, drain) = (self.alarms.clone(), Arc::clone(drain));
        tokio::spawn(async move {
            match acceptor {
                None => converse(socket, gateway, downstream, alarms, &drain).await,
                Some(acceptor) => {
                    let handshake = tokio::time::timeout(HANDSHAKE, acceptor.accept(socket));
                    if let Ok(Ok(socket)) = handshake.await {
                        converse(socket, gateway, downstream, alarms, &drain).await;
                    }
                }
            }
        });
    }
}

/// Speaks HTTP/1.1 or HTTP/2, whichever the client begins with.
async fn converse<I>(
    socket: I,
    gateway: Arc<Gateway>,
    downstream: Arc<Downstream>,
    alarms: Alarms,
    drain: &Arc<Drain>,
) where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let answer = service_fn(move |request: Request<Incoming>| gateway.answer(request, &downstream));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(alarms).header_read_timeout(HEADER_READ);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Some(KEEP_ALIVE));
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(socket), answer);
    // A client that goes away ends its connection with an error, which is nothing to report.
    let _ = drain.watch(connection).await;
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
            .field("gateway", &self.gateway)
            .finish_non_exhaustive()
    }
}

/// After an `accept` that failed.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long a client may take for its TLS handshake, and for a request's head.
const HANDSHAKE: Duration = Duration::from_secs(10);
const HEADER_READ: Duration = Duration::from_secs(30);
/// How often a quiet HTTP/2 connection is asked whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long requests under way may take to end.
const DRAIN: Duration = Duration::from_secs(30);
