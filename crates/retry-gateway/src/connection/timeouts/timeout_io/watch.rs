//! The watch over a client that may have gone, and the bytes that the gateway sends ahead to find that out.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::Instant;

use super::{ConnectionProtocol, TimeoutIo};
use crate::connection::half_close::{ClientSocket, FIRST_BYTE};

impl<I: ClientSocket> TimeoutIo<I> {
    /// Watches a client of HTTP/1.1 that waits for its response, while hyper reads nothing from it.
    pub(super) fn watch_peer(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let is_http1 = matches!(self.protocol, ConnectionProtocol::Http1);
        if self.is_reading || !is_http1 {
            return Ok(());
        }
        if !self.timeouts.has_active_request() {
            return self.watch_rest(cx);
        }
        // hyper reads on where the client cannot half close, once the body is read.
        if !self.io.is_half_closable() && !self.timeouts.has_unread_body() {
            return Ok(());
        }
        let sends_ahead = self.peer.poll(&self.io, &self.timeouts.pools.header, cx)?;
        if !sends_ahead {
            return Ok(());
        }
        let started = self.timeouts.started();
        if self.answered != started {
            if !self.peer.is_first_byte_sent() && self.poll_write_byte(cx, FIRST_BYTE)? {
                self.peer.set_first_byte_sent();
            }
        } else if self.timeouts.awaits_chunk() && self.padded != started && self.poll_write_byte(cx, b'0')? {
            // A size of a chunk may begin with zeros (RFC 9112 section 7.1).
            self.padded = started;
        }
        Ok(())
    }

    /// Writes one byte. Returns whether the socket has taken it.
    fn poll_write_byte(&mut self, cx: &mut Context<'_>, byte: u8) -> io::Result<bool> {
        Ok(Pin::new(&mut self.io).poll_write(cx, &[byte])?.is_ready())
    }

    /// Fails once the rest of an upload has waited for the idle timeout. Its endpoint has answered and takes no more of it, so
    /// the client's next request would wait for ever.
    fn watch_rest(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Self { timeouts, rest_timeout, .. } = self;
        if !timeouts.has_unread_body() {
            return Ok(());
        }
        let new = || timeouts.pools.idle.sleep_until(Instant::now() + timeouts.idle_timeout);
        match Pin::new(rest_timeout.get_or_insert_with(new)).poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }

    /// Writes, but for the first byte of a response, which the client may have already.
    pub(super) fn poll_write_rest(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let sent = usize::from(self.peer.is_first_byte_sent() && !buf.is_empty());
        let written = match buf.len() - sent {
            0 if sent > 0 => 0,
            _ => ready!(Pin::new(&mut self.io).poll_write(cx, &buf[sent..]))?,
        };
        if sent > 0 {
            self.peer.skip_first_byte();
        }
        Poll::Ready(Ok(written + sent))
    }
}
