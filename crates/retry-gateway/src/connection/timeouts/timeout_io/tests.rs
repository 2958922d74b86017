use std::time::Duration;

use super::*;
use crate::config::Limits;
use crate::connection::limit::Permit;
use crate::connection::rejection::Rejection;
use crate::connection::shutdown::GracefulShutdown;
use crate::connection::timeouts::ConnectionTimerPools;

/// Returns the socket of a connection on which these bytes arrived, each item by a read of its own.
fn after(reads: &[&[u8]]) -> TimeoutIo<()> {
    let pools = ConnectionTimerPools::default();
    let timeouts = Arc::new(ConnectionTimeouts::new(&Limits::default(), &pools));
    let open = OpenConnection::new(Permit::default(), GracefulShutdown::new().watcher());
    let mut io = TimeoutIo::new((), timeouts, open);
    reads.iter().for_each(|read| io.on_read(read));
    io
}

#[tokio::test]
async fn the_first_bytes_tell_the_protocol() {
    let check = |reads: &[&[u8]], expected: fn(&ConnectionProtocol) -> bool| {
        let io = after(reads);
        assert!(expected(&io.protocol), "{reads:?} {:?}", io.protocol);
    };
    let (start, rest) = HTTP2_PREFACE.split_at(4);
    check(&[HTTP2_PREFACE], |protocol| matches!(protocol, ConnectionProtocol::Http2));
    check(&[start, rest], |protocol| matches!(protocol, ConnectionProtocol::Http2));
    check(&[&[HTTP2_PREFACE, b"frames"].concat()], |protocol| matches!(protocol, ConnectionProtocol::Http2));
    check(&[start], |protocol| matches!(protocol, ConnectionProtocol::Unknown(4)));
    check(&[start, b""], |protocol| matches!(protocol, ConnectionProtocol::Unknown(4)));
    check(&[b"PRI / HTTP/1.1\r\n"], |protocol| matches!(protocol, ConnectionProtocol::Http1));
    check(&[b"G", rest], |protocol| matches!(protocol, ConnectionProtocol::Http1));
    check(&[start, b"GET"], |protocol| matches!(protocol, ConnectionProtocol::Http1));
}

/// Checks which phase the wait for a head is in, and how many seconds from now its timeout passes.
#[track_caller]
fn check_wait(io: &mut TimeoutIo<()>, expected: HeaderPhase, seconds: u64) {
    let now = Instant::now();
    assert!(is_pending(io));
    assert_eq!((io.phase, io.read_timeout.deadline()), (expected, now + Duration::from_secs(seconds)));
}

fn is_pending(io: &mut TimeoutIo<()>) -> bool {
    io.poll_read_timeout(&mut Context::from_waker(std::task::Waker::noop())).is_pending()
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_the_next_head_starts_when_the_last_response_ends() {
    let Limits { header_timeout, idle_timeout, .. } = Limits::default();
    let (header, idle) = (header_timeout.as_secs(), idle_timeout.as_secs());
    assert_ne!(header, idle);
    let mut io = after(&[]);
    check_wait(&mut io, HeaderPhase::First, header);
    io.on_read(b"GET /");
    check_wait(&mut io, HeaderPhase::Timed, header);
    // The rest of the head arrives, and no timeout passes while the request is active.
    io.on_read(b" HTTP/1.1\r\n\r\n");
    let request = io.timeouts.start_request();
    assert!(is_pending(&mut io));
    tokio::time::advance(idle_timeout * 2).await;
    assert!(is_pending(&mut io));
    // The timer was late, and looks once more for bytes.
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(is_pending(&mut io));
    drop(request);
    check_wait(&mut io, HeaderPhase::Idle, idle);
    // A request that arrives whole and is answered at once.
    tokio::time::advance(idle_timeout / 2).await;
    io.on_read(b"GET / HTTP/1.1\r\n\r\n");
    drop(io.timeouts.start_request());
    tokio::time::advance(idle_timeout / 2 - Duration::from_secs(1)).await;
    assert!(is_pending(&mut io));
    tokio::time::advance(Duration::from_secs(2)).await;
    assert!(is_pending(&mut io));
    io.on_read(b"G");
    check_wait(&mut io, HeaderPhase::Timed, header);
    assert_eq!(io.timeouts.rejection(), None);
    tokio::time::advance(header_timeout).await;
    assert!(!is_pending(&mut io));
    assert_eq!(io.timeouts.rejection(), Some(Rejection::HeaderTimeout));
}

/// hyper need not read again after the end of a request, and nothing else wakes the connection then.
#[tokio::test(start_paused = true)]
async fn a_read_that_is_pending_while_a_request_is_active_wakes_the_connection_when_it_is_idle() {
    let Limits { idle_timeout, .. } = Limits::default();
    for reads in
        [&[&b"GET / HTTP/1.1\r\n\r\n"[..]][..], &[&b"GET"[..], b" / HTTP/1.1\r\n\r\n"], &[HTTP2_PREFACE]]
    {
        let mut io = after(reads);
        let opened = Instant::now();
        let mut request = Some(io.timeouts.start_request());
        std::future::poll_fn(|cx| {
            let expired = io.poll_read_timeout(cx);
            // The request ends after the poll.
            request = None;
            expired
        })
        .await;
        // A client of HTTP/2 has a second to answer.
        let is_http2 = matches!(io.protocol, ConnectionProtocol::Http2);
        let expected = idle_timeout + if is_http2 { GOAWAY_TIMEOUT } else { Duration::ZERO };
        assert!(opened.elapsed() >= expected, "{:?}", opened.elapsed());
        assert!(opened.elapsed() <= expected + Duration::from_millis(5), "{:?}", opened.elapsed());
        assert_eq!(io.timeouts.rejection(), None);
    }
}
