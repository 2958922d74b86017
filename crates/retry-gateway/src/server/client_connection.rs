//! One connection of a client, from its TLS handshake to its end.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::connection::buffers::{HTTP2_CONNECTION_WINDOW, HTTP2_SEND_BUFFER, HTTP2_STREAM_WINDOW};
use crate::connection::cut_response::ResettingSocket;
use crate::connection::half_close::ClientSocket;
use crate::connection::info::ConnectionInfo;
use crate::connection::limit::Permit;
use crate::connection::rejection::Rejection;
use crate::connection::shutdown::{OpenConnection, ShutdownWatcher};
use crate::connection::timeouts::ConnectionTimeouts;
use crate::connection::timeouts::timeout_io::TimeoutIo;
use crate::connection::tls::HandshakeFailure;
use crate::lifecycle::current::RuntimeState;
use crate::proxy::rejected_connection;
use crate::server::connection_end::{until_next_request, until_shutdown, until_unused};
use crate::server::http2_stream::StreamExecutor;

/// An accepted connection of a client.
pub(super) struct ClientConnection {
    pub(super) state: Arc<RuntimeState>,
    pub(super) info: Arc<ConnectionInfo>,
    pub(super) timeouts: Arc<ConnectionTimeouts>,
    pub(super) watcher: ShutdownWatcher,
}

impl ClientConnection {
    /// Does the TLS handshake of a client. A shutdown leaves it hardly more time than a first request has.
    pub(super) async fn handshake(
        &self,
        acceptor: &TlsAcceptor,
        socket: TcpStream,
    ) -> Option<TlsStream<TcpStream>> {
        let result = tokio::select! {
            result = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(socket)) => result,
            () = self.watcher.bytes_overdue(self.timeouts.idle_since()) => return None,
        };
        let (failure, detail) = match result {
            Ok(Ok(socket)) => return Some(socket),
            Ok(Err(error)) => (HandshakeFailure::from_error(&error), error.to_string()),
            Err(_) => (HandshakeFailure::Timeout, format!("no handshake within {HANDSHAKE_TIMEOUT:?}")),
        };
        rejected_connection::record_handshake_failure(
            &self.state.gateway(),
            self.info.ip(),
            failure,
            &detail,
        );
        None
    }

    /// Serves HTTP/1.1 or HTTP/2, depending on the client's first bytes.
    pub(super) async fn serve<I>(self, socket: I, permit: Permit)
    where
        I: ClientSocket,
    {
        let Self { state, info, timeouts, watcher } = self;
        let (limits, header_case) = {
            let gateway = state.gateway();
            (gateway.limits.clone(), gateway.header_case)
        };
        let ip = info.ip();
        let (timers, write_timeout) = timeouts.write_timeout();
        let stream_state = Arc::clone(&state);
        let streams = StreamExecutor::new(timers, write_timeout, move || {
            rejected_connection::record(&stream_state.gateway(), ip, Rejection::WriteTimeout);
        });
        let open_streams = streams.open_streams().clone();
        let mut builder = auto::Builder::new(streams.clone());
        let mut http1 = builder.http1();
        http1.max_buf_size(limits.header_bytes).half_close(socket.is_half_closable());
        http1.preserve_header_case(header_case.preserve).title_case_headers(header_case.title);
        if limits.headers > HYPER_DEFAULT_HEADERS {
            http1.max_headers(limits.headers);
        }
        let mut http2 = builder.http2();
        http2.timer(TokioTimer::new()).keep_alive_interval(Some(KEEP_ALIVE_INTERVAL));
        http2.max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX));
        http2.max_concurrent_streams(limits.max_concurrent_streams);
        http2.max_send_buf_size(HTTP2_SEND_BUFFER);
        http2.initial_stream_window_size(HTTP2_STREAM_WINDOW);
        http2.initial_connection_window_size(HTTP2_CONNECTION_WINDOW);
        let (service_state, service_timeouts) = (Arc::clone(&state), Arc::clone(&timeouts));
        let service = service_fn(move |request: Request<Incoming>| {
            let version = request.version();
            let active_request = service_timeouts.start_request();
            active_request.set_unread_body(!request.body().is_end_stream());
            streams.response(version, service_state.gateway().answer(request, &info, active_request))
        });
        let open = OpenConnection::new(permit, watcher.clone());
        let socket = ResettingSocket::new(socket, &timeouts);
        let socket = TokioIo::new(TimeoutIo::new(socket, Arc::clone(&timeouts), open));
        let mut connection = pin!(builder.serve_connection_with_upgrades(socket, service));
        let mut result = until_shutdown(connection.as_mut(), &watcher, &timeouts).await;
        if result.is_none() && !timeouts.is_leaving() {
            result = until_next_request(connection.as_mut(), &watcher, &timeouts).await;
        }
        let result = match result {
            Some(result) => result,
            None => {
                connection.as_mut().graceful_shutdown();
                let Some(result) = until_unused(connection, &timeouts, &open_streams).await else { return };
                result
            }
        };
        // A client that closes its connection also causes an error here, which needs no report.
        if let Err(error) = result {
            let by_hyper = || Rejection::from_hyper(error.downcast_ref()?);
            if let Some(rejection) = timeouts.rejection().or_else(by_hyper) {
                rejected_connection::record(&state.gateway(), ip, rejection);
            }
        }
    }
}

/// The timeout of a client's TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// The interval of pings on an idle HTTP/2 connection.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// The number of header lines that hyper reads without an allocation. The gateway checks lower limits itself.
const HYPER_DEFAULT_HEADERS: usize = 100;
