//! The trailers that a proxy must not pass on.

use bytes::Bytes;
use http::header::{self, HeaderMap};
use http_body::Frame;

use crate::message::header_scan::{self, is_forwarding_header, is_hop_by_hop};

/// The trailers of a client's request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestTrailers {
    /// The value of `underscores_in_headers`.
    pub(crate) keeps_underscores: bool,
}

impl RequestTrailers {
    /// Removes what [`clean`] removes, and the trailers with an underscore in their name if such headers are removed too.
    pub(crate) fn clean(self, frame: Frame<Bytes>) -> Frame<Bytes> {
        change(frame, |trailers| {
            remove(trailers);
            if !self.keeps_underscores {
                header_scan::remove_underscores(trailers);
            }
        })
    }
}

/// Removes the trailers that frame or route a message, end at the next hop, or name a client's address. No sender may generate
/// them (RFC 9110 section 6.5.1), and a recipient that merges trailers into the head would take them for headers that the gateway
/// has checked.
pub(crate) fn clean(frame: Frame<Bytes>) -> Frame<Bytes> {
    change(frame, remove)
}

fn change(frame: Frame<Bytes>, change: impl FnOnce(&mut HeaderMap)) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            change(&mut trailers);
            Frame::trailers(trailers)
        }
        Err(frame) => frame,
    }
}

fn remove(trailers: &mut HeaderMap) {
    let is_removed = |name: &str| is_hop_by_hop(name) || is_forwarding_header(name);
    let names: Vec<_> = trailers
        .keys()
        .filter(|name| {
            **name == header::CONTENT_LENGTH || **name == header::HOST || is_removed(name.as_str())
        })
        .cloned()
        .collect();
    for name in names {
        trailers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn trailers_that_frame_or_route_a_message_are_removed() {
        const REMOVED: [&str; 8] = [
            "content-length",
            "host",
            "connection",
            "te",
            "transfer-encoding",
            "x-forwarded-for",
            "forwarded",
            "x-real-ip",
        ];
        let names = REMOVED.iter().chain(&["grpc-status", "x-sum", "server-timing"]);
        let line = |name: &&'static str| (HeaderName::from_static(name), HeaderValue::from_static("1"));
        let frame = clean(Frame::trailers(names.map(line).collect()));
        let mut left: Vec<_> = frame.trailers_ref().unwrap().keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["grpc-status", "server-timing", "x-sum"]);
        assert!(clean(Frame::data(Bytes::from_static(b"x"))).is_data());
        for (keeps_underscores, expected) in [(true, &["x_forwarded_for", "x-sum"][..]), (false, &["x-sum"])]
        {
            let trailers = ["x_forwarded_for", "x-sum", "host"].iter().map(line).collect();
            let frame = RequestTrailers { keeps_underscores }.clean(Frame::trailers(trailers));
            let left: Vec<_> = frame.trailers_ref().unwrap().keys().map(HeaderName::as_str).collect();
            assert_eq!(left, expected);
        }
    }
}
