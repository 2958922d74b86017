//! Request heads, made as hyper's server makes them.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};

/// A head as it was read, and where its parts are.
///
/// Of a head that comes over a connection, the target and the values are slices of the buffer that it was read into, and a
/// name that is not one of the standard ones owns its bytes. All of it is made anew for each request, because whoever clones
/// it first also pays for its being shared.
#[derive(Debug)]
pub(crate) struct Head {
    buffer: Bytes,
    method: Method,
    target: Range<usize>,
    lines: Vec<(Range<usize>, Range<usize>)>,
}

/// How header values hold their bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Values {
    /// As slices of the buffer.
    Shared,
    /// Each its own.
    Owned,
}

impl Head {
    /// The first `lines` lines of what is usual.
    pub(crate) fn new(method: Method, lines: usize) -> Self {
        let mut text = BytesMut::with_capacity(BUFFER);
        let mut write = |part: &str| {
            let start = text.len();
            text.extend_from_slice(part.as_bytes());
            start..text.len()
        };
        write(method.as_str());
        write(" ");
        let target = write("/v1/shops/7/orders?limit=50&after=01J9Z3M8Q4");
        write(" HTTP/1.1\r\n");
        let line = |(name, value): &(&str, &str)| {
            let name = write(name);
            write(": ");
            let value = write(value);
            write("\r\n");
            (name, value)
        };
        assert!(lines <= LINES.len(), "no more are known");
        let lines = LINES[..lines].iter().map(line).collect();
        // The whole buffer is kept for as long as any part of it is.
        Self { buffer: text.split().freeze(), method, target, lines }
    }

    /// Reads the same into another buffer.
    pub(crate) fn read_again(&self) -> Bytes {
        let mut text = BytesMut::with_capacity(BUFFER);
        text.extend_from_slice(&self.buffer);
        text.split().freeze()
    }

    /// The request that was read.
    pub(crate) fn request<B>(&self, values: Values, body: B) -> Request<B> {
        self.request_in(&self.buffer, values, body)
    }

    /// The request, in this buffer.
    pub(crate) fn request_in<B>(&self, buffer: &Bytes, values: Values, body: B) -> Request<B> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        let target = buffer.slice(self.target.clone());
        *request.uri_mut() = Uri::from_maybe_shared(target).expect("it is a target");
        *request.headers_mut() = self.headers_in(buffer, values);
        request
    }

    /// Only its headers.
    pub(crate) fn headers(&self, values: Values) -> HeaderMap {
        self.headers_in(&self.buffer, values)
    }

    pub(crate) fn headers_in(&self, buffer: &Bytes, values: Values) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(self.lines.len());
        for (name, value) in &self.lines {
            let name = HeaderName::from_bytes(&buffer[name.clone()]).expect("it is a name");
            let value = match values {
                Values::Shared => HeaderValue::from_maybe_shared(buffer.slice(value.clone())),
                Values::Owned => HeaderValue::from_bytes(&buffer[value.clone()]),
            };
            headers.append(name, value.expect("it is a value"));
        }
        headers
    }
}

/// What hyper reads into.
const BUFFER: usize = 8 * 1_024;

/// In the first 4, no name owns its bytes; in the first 12, three do, and of all 30, thirteen.
const LINES: [(&str, &str); 30] = [
    ("host", "shop.example"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    ("accept", "application/json, text/plain;q=0.9, */*;q=0.8"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("accept-language", "en-GB,en;q=0.7,de;q=0.3"),
    ("referer", "https://shop.example/account/orders"),
    ("cookie", "session=0b9f6c1e4d3a4f7c8e21; theme=dark; consent=1"),
    ("cache-control", "no-cache"),
    ("connection", "keep-alive"),
    ("x-forwarded-for", "203.0.113.7"),
    ("x-request-id", "6f1e0c3c-95ab-4f0e-9d8e-2f6f2f6f0a11"),
    ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ("authorization", "Bearer eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiI3In0.c2lnbmF0dXJl"),
    ("origin", "https://shop.example"),
    ("pragma", "no-cache"),
    ("dnt", "1"),
    ("te", "trailers"),
    ("upgrade-insecure-requests", "1"),
    ("if-none-match", "\"33a64df551425fcc55e4d42a148795d9\""),
    ("sec-fetch-dest", "empty"),
    ("sec-fetch-mode", "cors"),
    ("sec-fetch-site", "same-origin"),
    ("sec-ch-ua", "\"Chromium\";v=\"128\", \"Not;A=Brand\";v=\"24\""),
    ("sec-ch-ua-mobile", "?0"),
    ("sec-ch-ua-platform", "\"Linux\""),
    ("priority", "u=1, i"),
    ("via", "1.1 edge-3.example"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "shop.example"),
    ("tracestate", "vendor=00f067aa0ba902b7"),
];
