//! Upstreams of HTTP/2 that say what they did not process.

use testkit::raw_http2::{CANCEL, DEFAULT_WINDOW, REFUSED_STREAM, RawHttp2Server, Stream, StreamDeed};

use crate::client::{Reply, call};
use crate::process::Gateway;

/// A gateway in front of an upstream that speaks HTTP/2, with further lines of its route's retries.
#[track_caller]
fn gateway(upstream: &RawHttp2Server, retry: &str) -> Gateway {
    Gateway::by(&format!(
        "[upstreams.api]\nendpoints = [{:?}]\nprotocol = \"http2\"\n[[routes]]\nupstream = \"api\"\n\
         [routes.retry]\n{retry}\n",
        upstream.url()
    ))
}

/// How often a request reaches an upstream that does this the first time and answers the second, and what the client
/// gets: over a new connection, and over one that another request was answered on.
#[track_caller]
fn check(method: &str, body: &str, first: StreamDeed, expected: (usize, u16)) {
    for is_reused in [false, true] {
        let warm_up = usize::from(is_reused);
        let (streams, reply) = sure(first, || {
            let deeds = [&vec![StreamDeed::Answer; warm_up][..], &[first]].concat();
            let upstream = RawHttp2Server::start_blocking(DEFAULT_WINDOW, deeds);
            let gateway = gateway(&upstream, "");
            for _ in 0..warm_up {
                assert_eq!(call(gateway.address, "GET /", &[], "").status, 200);
            }
            let reply = call(gateway.address, &format!("{method} /"), &[], body);
            (upstream.streams().split_off(warm_up), reply)
        });
        let what = format!("{method} {} {first:?} reused: {is_reused}", body.len());
        assert_eq!((streams.len(), reply.status), expected, "{what}");
        // The first one came over the connection that there was.
        assert_eq!(streams[0].connection, 0, "{what}");
        check_body(&streams, &reply, body);
    }
}

/// Sends once more, and not for ever, where hyper said GOAWAY of a request before it had begun with the body. It says so
/// also where the upstream counts the request in, so the gateway does not send it again.
fn sure(first: StreamDeed, send: impl Fn() -> (Vec<Stream>, Reply)) -> (Vec<Stream>, Reply) {
    for _ in 0..2 {
        let (streams, reply) = send();
        if !matches!(first, StreamDeed::GoAwayBefore) || reply.status == 200 {
            return (streams, reply);
        }
    }
    send()
}

/// Who was answered has got all of it.
#[track_caller]
fn check_body(streams: &[Stream], reply: &Reply, body: &str) {
    if reply.status == 200 {
        assert!(streams.last().is_some_and(|stream| stream.body == body.as_bytes()), "{} bytes", body.len());
    }
}

#[test]
fn what_was_not_processed_is_sent_again_whatever_it_is() {
    let kept = "x".repeat(30_000);
    for first in [StreamDeed::ResetStream(REFUSED_STREAM), StreamDeed::GoAwayBefore] {
        check("GET", "", first, (2, 200));
        check("POST", "hello", first, (2, 200));
        check("POST", &kept, first, (2, 200));
        // hyper's word alone would not do for these, because it asks for no body.
        check("POST", "", first, (2, 200));
        check("PATCH", "", first, (2, 200));
    }
}

#[test]
fn what_may_have_been_processed_is_sent_again_where_that_does_no_harm() {
    for first in [StreamDeed::ResetStream(CANCEL), StreamDeed::GoAwayAt] {
        check("GET", "", first, (2, 200));
        check("PUT", "hello", first, (2, 200));
        check("POST", "hello", first, (1, 502));
        check("POST", "", first, (1, 502));
    }
}

/// Nobody can have read more of it than the upstream's window, and what that lets through is kept.
#[test]
fn a_large_body_survives_where_the_upstream_took_little_of_it() {
    let body = "x".repeat(3 * 1024 * 1024);
    for first in [StreamDeed::ResetStream(REFUSED_STREAM), StreamDeed::GoAwayBefore] {
        let upstream = RawHttp2Server::start_blocking(0, vec![StreamDeed::Answer, first]);
        let gateway = gateway(&upstream, "");
        // The window is known from then on.
        assert_eq!(call(gateway.address, "GET /", &[], "").status, 200);
        let reply = call(gateway.address, "POST /", &[], &body);
        assert_eq!((upstream.streams().len(), reply.status), (3, 200), "{first:?}: {}", reply.body);
        check_body(&upstream.streams(), &reply, &body);
    }
    // Over a new connection the window is 64 KiB, and so much may be gone before the refusal is heard of.
    for first in [StreamDeed::ResetStream(REFUSED_STREAM), StreamDeed::GoAwayBefore] {
        let upstream = RawHttp2Server::start_blocking(DEFAULT_WINDOW, vec![first]);
        let gateway = gateway(&upstream, "request_body_buffer_limit = \"4MiB\"");
        let reply = call(gateway.address, "POST /", &[], &body);
        assert_eq!((upstream.streams().len(), reply.status), (2, 200), "{first:?}: {}", reply.body);
        check_body(&upstream.streams(), &reply, &body);
    }
}

#[test]
fn an_upstream_that_refuses_for_good_is_left_in_the_end() {
    let upstream =
        RawHttp2Server::start_blocking(DEFAULT_WINDOW, vec![StreamDeed::ResetStream(REFUSED_STREAM); 10]);
    let gateway = gateway(&upstream, "num_retries = 2");
    let reply = call(gateway.address, "POST /", &[], "hello");
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
    // The first resend is at once and not counted.
    assert_eq!(upstream.streams().len(), 4);
}
