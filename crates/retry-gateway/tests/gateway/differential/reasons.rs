//! Why the two proxies differ.

use super::page::Part;

/// Returns the reason why a case of this title differs.
pub(super) fn find(title: &str) -> Option<&'static str> {
    REASONS.iter().find(|(titles, _)| titles.contains(&title)).map(|(_, reason)| *reason)
}

/// Asserts that each difference has a reason, and that each title with a reason differs.
#[track_caller]
pub(super) fn check(parts: &[Part]) {
    let differences: Vec<_> = parts.iter().flat_map(|part| &part.differences).collect();
    let unexplained: Vec<_> =
        differences.iter().filter(|difference| find(&difference.title).is_none()).collect();
    assert!(unexplained.is_empty(), "differences without a reason: {unexplained:#?}");
    let differs = |title: &&&str| !differences.iter().any(|difference| difference.title == **title);
    let alike: Vec<_> = REASONS.iter().flat_map(|(titles, _)| *titles).filter(differs).collect();
    assert!(alike.is_empty(), "no difference, and a reason: {alike:#?}");
}

/// Titles of cases, and the reason that they share.
const REASONS: &[(&[&str], &str)] = &[
    // Requests.
    (
        &[
            "chunks in packets of 1 bytes",
            "chunks in packets of 7 bytes",
            "a trailer of 4000 bytes",
            "HTTP/2 GET with trailers without an announcement",
            "HTTP/2 HEAD with trailers without an announcement",
            "HTTP/2 POST with trailers without an announcement",
            "HTTP/2 DELETE with trailers without an announcement",
            "HTTP/2 QUERY with trailers without an announcement",
        ],
        UNANNOUNCED,
    ),
    (
        &["a trailer that names the length"],
        "The HTTP library writes only trailers that `Trailer` announces, and never one that frames a message (RFC 9110 \
         section 6.5.1).",
    ),
    (
        &["target /a`b", "target /a<b>", "target /?q=\"", "target /?q=<a>"],
        "RFC 3986 does not allow these bytes, and the HTTP library rejects them. Clients must encode them.",
    ),
    (
        &["target /a#b"],
        "A target has no fragment (RFC 9112 section 3.2). The HTTP library drops it, as a client should have done.",
    ),
    (
        &["a target in UTF-8"],
        "The HTTP library takes UTF-8 in a target, and the bytes are passed on as they came.",
    ),
    (
        &[
            "target http://client.example/a",
            "target http://client.example",
            "target HTTP://client.example/",
            "target http://CLIENT.example/",
            "target http://client.example:80/",
        ],
        "An endpoint is an origin server, so it gets the form of a target for those (RFC 9112 section 3.2.1), and the host \
         of the target as `Host`.",
    ),
    (
        &["target http://client.example?a=b"],
        "An empty path before a query is legal (RFC 3986 section 3.3), and means `/`.",
    ),
    (
        &["target http://other.example/"],
        "A proxy ignores `Host` beside an absolute target, and replaces it (RFC 9112 section 3.2.2).",
    ),
    (
        &["header X_A: 1", "HTTP/2 header x_a: 1", "header Content_Length: 7"],
        "Servers with CGI or WSGI take `_` for `-`. `underscores_in_headers = true` keeps the header.",
    ),
    (
        &["header Cookie: a=b, then Cookie: c=d"],
        "HTTP/1.1 has one line of cookies, and HTTP/2 may split it (RFC 9113 section 8.2.3), so it is joined for all servers.",
    ),
    (
        &["header Proxy-Authorization: Basic YTpi"],
        "These credentials are for a proxy (RFC 9110 section 11.7.2), and no endpoint should get them.",
    ),
    (
        &[
            "header X-Forwarded-For: 192.0.2.1",
            "header X-Forwarded-Proto: https",
            "header X-Forwarded-Host: deceit.example",
            "header X-Forwarded-Port: 1",
            "header Forwarded: for=192.0.2.1",
            "header X-Real-IP: 192.0.2.1",
        ],
        "A client can make up these headers. `trusted_proxies` keeps those of a proxy in front.",
    ),
    (
        &["header Connection: x-a, then X-A: 1"],
        "`Connection` says that the header ends at the next hop (RFC 9110 section 7.6.1).",
    ),
    (
        &["header Proxy-Connection: keep-alive", "header Upgrade: websocket"],
        "These headers are about one connection, and end at the next hop. An upgrade also needs `Connection: upgrade` (RFC \
         9110 section 7.8).",
    ),
    (
        &[
            "header Connection: Upgrade, HTTP2-Settings, then Upgrade: h2c, then HTTP2-Settings: AAMAAABkAAQAAP__",
        ],
        "RFC 9113 section 3.1 has withdrawn this upgrade, and a tunnel of HTTP/2 would pass by all routes.",
    ),
    (
        &["a folded header line"],
        "A recipient may also reject such a line with 400, or a response with 502 (RFC 9112 section 5.2).",
    ),
    (
        &["110 names"],
        "HAProxy takes 101 header lines. The gateway takes 100 of a request (`limits.headers`), and 256 of a response \
         (`max_response_headers`).",
    ),
    (
        &["a head of 20 KB", "a head of 60 KB"],
        "HAProxy's buffer has 16 KB. The gateway's limits are `limits.header_bytes` and `max_response_header_bytes`.",
    ),
    (
        &["Host without a value", "no Host", "two Hosts that agree"],
        "A request has one host, on which routes decide. RFC 9112 section 3.2 asks for a 400 where there is no `Host`, or \
         more than one.",
    ),
    (
        &["HTTP/1.0 with Host", "HTTP/1.0 with keep-alive", "HTTP/1.0 with a length"],
        "A proxy sends its own version (RFC 9110 section 2.5).",
    ),
    (
        &["HTTP/1.0 without Host"],
        "A proxy sends its own version (RFC 9110 section 2.5), and HTTP/1.1 must have a `Host`.",
    ),
    (
        &["HTTP/1.0 with Expect"],
        "A proxy sends its own version, and ignores the `Expect` of an HTTP/1.0 client (RFC 9110 section 10.1.1).",
    ),
    (
        &["the same length twice in a line"],
        "A recipient may reject such a list, or take its number (RFC 9110 section 8.6). The HTTP library rejects it.",
    ),
    (
        &["gzip before chunked"],
        "No proxy here knows a transfer coding besides `chunked`. The gateway calls that a bad request.",
    ),
    // Requests to a server of HTTP/2.
    (
        &[
            "POST with no body, to HTTP/2",
            "PUT with no body, to HTTP/2",
            "PATCH with no body, to HTTP/2",
            "OPTIONS with no body, to HTTP/2",
            "PROPFIND with no body, to HTTP/2",
            "QUERY with no body, to HTTP/2",
            "M-SEARCH with no body, to HTTP/2",
            "get with no body, to HTTP/2",
            "X!#$%&'*+-.^_|~1 with no body, to HTTP/2",
            "target * of OPTIONS, to HTTP/2",
            "HTTP/2 POST with no body, to HTTP/2",
            "HTTP/2 QUERY with no body, to HTTP/2",
            "HTTP/2 target * of OPTIONS, to HTTP/2",
        ],
        "The HTTP library says that the body is empty where the method may have one (RFC 9110 section 8.6).",
    ),
    (
        &[
            "target /a`b, to HTTP/2",
            "target /a<b>, to HTTP/2",
            "target /?q=\", to HTTP/2",
            "target /?q=<a>, to HTTP/2",
        ],
        "RFC 3986 does not allow these bytes. The gateway rejects the request, and through HAProxy this server does.",
    ),
    (
        &["target http://client.example:80/, to HTTP/2"],
        "The gateway passes the host of the target on as it came.",
    ),
    (
        &["header Connection: upgrade, then Upgrade: foo/2, to HTTP/2"],
        "HTTP/2 has no upgrades (RFC 9113 section 8.6), and the gateway says so.",
    ),
    (
        &[
            "header Connection: Upgrade, HTTP2-Settings, then Upgrade: h2c, then HTTP2-Settings: AAMAAABkAAQAAP__, to HTTP/2",
        ],
        "RFC 9113 section 3.1 has withdrawn this upgrade. The gateway ignores it, as a server may (RFC 9110 section 7.8).",
    ),
    (&["HTTP/1.0 without Host, to HTTP/2"], "The endpoint gets its own host where the client named none."),
    (
        &["HTTP/1.0 with Expect, to HTTP/2"],
        "A proxy ignores the `Expect` of an HTTP/1.0 client (RFC 9110 section 10.1.1).",
    ),
    // Responses.
    (
        &["GET, chunks and trailers", "trailers, announced, without TE"],
        "The client does not say `TE: trailers`, so it may not read them (RFC 9110 section 6.5.1).",
    ),
    (
        &["HEAD, chunks and trailers"],
        "No trailers follow the response to a HEAD, so the HTTP library leaves their announcement out.",
    ),
    (&["trailers, announced, for TE: trailers"], "The HTTP library joins the lines of `Trailer`."),
    (&["trailers, not announced, for TE: trailers", "chunks in packets of a byte"], UNANNOUNCED),
    (
        &[
            "GET, a body up to the close",
            "GET, no body up to the close",
            "GET, a body up to an announced close",
            "1 bytes up to the close",
            "4096 bytes up to the close",
            "16384 bytes up to the close",
            "65537 bytes up to the close",
            "1048576 bytes up to the close",
        ],
        "Chunks show the client where the body ends, and leave its connection open.",
    ),
    (
        &["GET, HTTP/1.0 up to the close"],
        "A proxy sends its own version (RFC 9110 section 2.5), and can use its framing.",
    ),
    (
        &[
            "HEAD, HTTP/1.0 up to the close",
            "GET, HTTP/1.0 and a length",
            "HEAD, HTTP/1.0 and a length",
            "GET, HTTP/1.0 and keep-alive",
            "HEAD, HTTP/1.0 and keep-alive",
        ],
        "A proxy sends its own version (RFC 9110 section 2.5).",
    ),
    (
        &["GET, 304 and a length"],
        "The HTTP library writes no length without a body but for HEAD. A 304 needs none (RFC 9110 section 8.6).",
    ),
    (
        &["header Proxy-Authenticate: Basic realm=\"a\""],
        "Only the proxy that the client talks to may ask for such credentials (RFC 9110 section 11.7.1).",
    ),
    (&["header Upgrade: h2c"], "The header is about one connection, and ends at the next hop."),
    (
        &["a reason phrase in Latin-1"],
        "The HTTP library drops a phrase that is not ASCII. Clients should ignore it (RFC 9112 section 4).",
    ),
    (
        &["no Date"],
        "A recipient with a clock adds the time when it forwards a response without one (RFC 9110 section 6.6.1).",
    ),
    (
        &[
            "100 before the response",
            "102 before the response",
            "103 before the response",
            "103 twice before the response",
        ],
        "The server of the HTTP library cannot send an interim response: see \
         [hyper](https://github.com/hyperium/hyper/pull/4114).",
    ),
];

const UNANNOUNCED: &str = "The HTTP library writes only trailers that `Trailer` announces. A proxy may drop the others (RFC \
                           9112 section 7.1.2).";
