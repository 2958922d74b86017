//! A client that closes its sending side after its request and still reads (RFC 9293 section 3.6), and one that has gone.
//!
//! hyper lets such a client have its response, but then reads nothing while a request is active, and so misses
//! that a client has gone. It also reads nothing while the body of the request is not read. This watches the socket
//! in its stead. The end of the client's bytes looks the same from a client that still reads and from one that has
//! closed its socket. Only the latter answers further bytes with a reset. Each response begins with the same byte, so
//! the gateway sends that byte ahead. Once the response has begun and pauses, the gateway sends a zero ahead of the next chunk's
//! size. A response that has a length leaves no byte to send. Then the probes of TCP find the client out: its system answers them
//! with a reset once it has forgotten the connection, on Linux after a minute.
//!
//! While unread bytes wait in the socket, tokio tells of no further event. It notes the end of the bytes all the same,
//! so a timer looks for that. If the socket has no room for the rest of a body, the end is behind that rest, and only the
//! byte that is sent ahead tells whether the client has gone.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::server::TlsStream;

use crate::time::pooled_timeout::{PooledTimeout, TimerPool};

/// The socket of a client.
pub(crate) trait ClientSocket: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Returns the socket below TLS, if there is TLS.
    fn tcp(&self) -> &TcpStream;

    /// Returns whether a client may close one side of it. A client of TLS closes both.
    fn is_half_closable(&self) -> bool;
}

impl ClientSocket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }

    fn is_half_closable(&self) -> bool {
        true
    }
}

impl ClientSocket for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }

    fn is_half_closable(&self) -> bool {
        false
    }
}

/// Watches a client that waits for its response.
#[derive(Debug, Default)]
pub(crate) struct PeerWatch {
    /// Set once the client has closed its sending side.
    closed: Option<ClosedPeer>,
    /// The next look for the end of the bytes, while unread ones wait in the socket.
    unread: Option<UnreadBytes>,
    /// Set while the client has the first byte of a response, and hyper has written nothing of the response yet.
    is_first_byte_sent: bool,
}

/// The next look at a socket whose sending side is closed. tokio tells of no further event of it.
#[derive(Debug)]
struct ClosedPeer {
    timer: PooledTimeout,
    interval: Duration,
}

/// The next look at a socket with unread bytes.
#[derive(Debug)]
struct UnreadBytes {
    timer: PooledTimeout,
    /// Set if hyper has read bytes since the last look.
    has_read: bool,
    /// The number of looks since hyper has read bytes.
    looks: u32,
}

impl PeerWatch {
    /// Looks at the socket, and leaves a wake-up for what may happen to it. Returns whether the first byte of the
    /// response, or of its next chunk, is to be sent ahead.
    ///
    /// # Errors
    ///
    /// Returns an error if the client has reset the connection, or has closed one that it cannot half close.
    pub(crate) fn poll(
        &mut self,
        client: &impl ClientSocket,
        timers: &TimerPool,
        cx: &mut Context<'_>,
    ) -> io::Result<bool> {
        let socket = client.tcp();
        if self.closed.is_none() {
            let mut byte = [0];
            match socket.poll_peek(cx, &mut ReadBuf::new(&mut byte)) {
                Poll::Ready(Ok(0)) => {}
                Poll::Pending => return Ok(false),
                Poll::Ready(Err(error)) => return Err(error),
                // The body of the request, which nobody reads yet, or the client's next request.
                Poll::Ready(Ok(_)) if !is_read_closed(socket) => {
                    return Ok(self.look_again(timers, cx) && has_many_bytes(socket, cx)?);
                }
                Poll::Ready(Ok(_)) => {}
            }
        }
        if !client.is_half_closable() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let closed = self.closed.get_or_insert_with(|| {
            set_keepalive(socket);
            ClosedPeer { timer: timers.sleep_until(Instant::now() + FIRST_LOOK), interval: FIRST_LOOK }
        });
        while Pin::new(&mut closed.timer).poll(cx).is_ready() {
            if let Some(error) = socket.take_error()? {
                return Err(error);
            }
            closed.interval = (closed.interval * 2).min(LAST_LOOK);
            closed.timer.reset(timers, Instant::now() + closed.interval);
        }
        Ok(true)
    }

    /// Leaves a wake-up for the next look at a socket with unread bytes. Returns whether to look at their number, which is
    /// worth it now and then.
    fn look_again(&mut self, timers: &TimerPool, cx: &mut Context<'_>) -> bool {
        let next = || Instant::now() + UNREAD_LOOK;
        let new = || UnreadBytes { timer: timers.sleep_until(next()), has_read: false, looks: 0 };
        let UnreadBytes { timer, has_read, looks } = self.unread.get_or_insert_with(new);
        let before = *looks;
        while Pin::new(&mut *timer).poll(cx).is_ready() {
            timer.reset(timers, next());
            *looks = if std::mem::take(has_read) { 0 } else { looks.wrapping_add(1) };
        }
        *looks > before && looks.is_multiple_of(2)
    }

    /// Notes that hyper has read bytes.
    pub(crate) fn note_read(&mut self) {
        if let Some(unread) = &mut self.unread {
            unread.has_read = true;
        }
    }

    /// Returns true if hyper's next byte was sent ahead.
    pub(crate) fn is_first_byte_sent(&self) -> bool {
        self.is_first_byte_sent
    }

    /// Notes that hyper's next byte was sent ahead.
    pub(crate) fn set_first_byte_sent(&mut self) {
        self.is_first_byte_sent = true;
    }

    /// Notes that hyper has written the byte that was sent ahead.
    pub(crate) fn skip_first_byte(&mut self) {
        self.is_first_byte_sent = false;
    }
}

/// Lets the system probe whether a client that has closed its sending side still has its socket.
fn set_keepalive(socket: &TcpStream) {
    let probes =
        TcpKeepalive::new().with_time(PROBE_INTERVAL).with_interval(PROBE_INTERVAL).with_retries(PROBES);
    // Without the probes a client that has gone is found out later.
    let _ = SockRef::from(socket).set_tcp_keepalive(&probes);
}

/// Returns whether the client has sent the end of its bytes or a reset, as far as tokio has heard.
fn is_read_closed(socket: &TcpStream) -> bool {
    let ready = pin!(socket.ready(Interest::READABLE));
    let polled = ready.poll(&mut Context::from_waker(Waker::noop()));
    matches!(polled, Poll::Ready(Ok(ready)) if ready.is_read_closed())
}

/// Returns whether so many bytes are unread that the socket may have no room for more.
fn has_many_bytes(socket: &TcpStream, cx: &mut Context<'_>) -> io::Result<bool> {
    let mut bytes = vec![0; MANY_BYTES];
    match socket.poll_peek(cx, &mut ReadBuf::new(&mut bytes)) {
        Poll::Ready(count) => Ok(count? == MANY_BYTES),
        Poll::Pending => Ok(false),
    }
}

/// The first byte of each response of HTTP/1, whose status line begins with `HTTP/`.
pub(crate) const FIRST_BYTE: u8 = b'H';
/// The time to the first look after the first byte, which is enough for a reset from nearby.
const FIRST_LOOK: Duration = Duration::from_millis(5);
/// The time between two looks for the end of the bytes behind unread ones.
const UNREAD_LOOK: Duration = Duration::from_millis(500);
/// Less than the receive buffer of a socket at first.
const MANY_BYTES: usize = 32 << 10;
/// The longest time between two looks.
const LAST_LOOK: Duration = Duration::from_secs(1);
/// The time between two probes, and before the first.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// The probes without an answer that end the connection. A client that has merely lost its network for a moment may still read.
const PROBES: u32 = 60;
