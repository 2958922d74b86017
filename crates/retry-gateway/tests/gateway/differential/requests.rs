//! The requests: each has a title, and the bytes that a client sends.

use super::exchange::Case;

/// All requests.
pub(super) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(framings_of_methods());
    cases.extend(sizes());
    cases.extend(targets());
    cases.extend(headers());
    cases.extend(heads());
    cases
}

/// A case about a request.
pub(super) fn case(title: impl Into<String>, request: impl Into<Vec<u8>>) -> Case {
    let request = request.into();
    let response = response_to(if request.starts_with(b"HEAD ") { "HEAD" } else { "GET" });
    Case { title: title.into(), request, is_http2: false, response, closes: false, piece: 0 }
}

/// The response to a request with this method.
pub(super) fn response_to(method: &str) -> Vec<u8> {
    let body = if method == "HEAD" { "" } else { "ok" };
    format!("{RESPONSE_HEAD}{body}").into_bytes()
}

const RESPONSE_HEAD: &str = "HTTP/1.1 200 OK\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\nx-from-server: 1\r\n\
                             content-length: 2\r\n\r\n";

/// A request with some header lines and what follows the head.
fn with(title: impl Into<String>, line: &str, headers: &[&[u8]], rest: &[u8]) -> Case {
    let mut request = format!("{line} HTTP/1.1\r\nHost: client.example\r\n").into_bytes();
    for header in headers {
        request.extend_from_slice(header);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    request.extend_from_slice(rest);
    case(title, request)
}

/// Each framing for each method. Methods are case-sensitive tokens, so `get` is another one than `GET`.
fn framings_of_methods() -> Vec<Case> {
    const METHODS: [&str; 12] = [
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "PATCH",
        "DELETE",
        "OPTIONS",
        "PROPFIND",
        "QUERY",
        "M-SEARCH",
        "get",
        "X!#$%&'*+-.^_|~1",
    ];
    /// Title, header lines, and what follows the head.
    type Framing = (&'static str, &'static [&'static [u8]], &'static [u8]);
    const FRAMINGS: [Framing; 8] = [
        ("no body", &[], b""),
        ("a length of 0", &[b"Content-Length: 0"], b""),
        ("a length of 5", &[b"Content-Length: 5"], b"hello"),
        ("a chunk", &[b"Transfer-Encoding: chunked"], b"5\r\nhello\r\n0\r\n\r\n"),
        ("chunks and no data", &[b"Transfer-Encoding: chunked"], b"0\r\n\r\n"),
        (
            "chunks with extensions",
            &[b"Transfer-Encoding: chunked"],
            b"2;a=b\r\nhe\r\n3 ; c=\"d;\\\"e\"\r\nllo\r\n0;last\r\n\r\n",
        ),
        (
            "chunks and trailers",
            &[b"Transfer-Encoding: chunked", b"Trailer: X-Sum, X-Other"],
            b"5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-Other: \xe9\r\n\r\n",
        ),
        (
            "chunks, zeros before their sizes",
            &[b"TRANSFER-ENCODING: Chunked"],
            b"00000005\r\nhello\r\n000B\r\n, world and\r\n000\r\n\r\n",
        ),
    ];
    let of_method = |method: &'static str| {
        FRAMINGS.into_iter().map(move |(title, headers, rest)| {
            with(format!("{method} with {title}"), &format!("{method} /"), headers, rest)
        })
    };
    METHODS.into_iter().flat_map(of_method).collect()
}

fn sizes() -> Vec<Case> {
    let mut cases = Vec::new();
    for size in [1, 4_095, 4_096, 16_384, 65_537, 1_048_576] {
        let body: Vec<u8> = (0..=255).cycle().take(size).collect();
        let length = format!("Content-Length: {size}");
        let chunk = [format!("{size:x}\r\n").as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
        for method in ["POST", "GET"] {
            let line = format!("{method} /");
            let title = format!("{method} with {size} bytes");
            cases.push(with(format!("{title} and a length"), &line, &[length.as_bytes()], &body));
            cases.push(with(format!("{title} in a chunk"), &line, &[b"Transfer-Encoding: chunked"], &chunk));
        }
    }
    let chunks: Vec<u8> =
        (0..2_000).flat_map(|number| format!("1\r\n{}\r\n", number % 10).into_bytes()).collect();
    let chunks = [chunks, b"0\r\n\r\n".to_vec()].concat();
    cases.push(with("2000 chunks of a byte", "POST /", &[b"Transfer-Encoding: chunked"], &chunks));
    for piece in [1, 7] {
        let rest = b"5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n";
        let title = format!("chunks in packets of {piece} bytes");
        cases.push(Case { piece, ..with(title, "PUT /", &[b"Transfer-Encoding: chunked"], rest) });
    }
    cases
}

fn targets() -> Vec<Case> {
    const TARGETS: [&str; 34] = [
        "//",
        "//a//b",
        "/a/../b",
        "/./a",
        "/%2e%2e/%2E",
        "/a%2Fb%5Cc",
        "/%C3%A9%ff",
        "/a%00b",
        "/a%zz%",
        "/?",
        "/a?",
        "/?a=b&a=c&&=",
        "/a?b?c",
        "/a;p=1;q/b",
        "/a:b@c",
        "/!$&'()*+,;=:@-._~",
        "/?q=a/b?c",
        "/?%20+%2B",
        "/a\\b",
        "/a\"b",
        "/a{b}|c^d[e]",
        "/a`b",
        "/a<b>",
        "/?q=\"",
        "/?q=<a>",
        "/?q={a}|b^[c]\\`",
        "/a#b",
        "http://client.example/a",
        "http://client.example",
        "http://client.example?a=b",
        "HTTP://client.example/",
        "http://CLIENT.example/",
        "http://client.example:80/",
        "http://other.example/",
    ];
    let mut cases: Vec<_> =
        TARGETS.map(|target| with(format!("target {target}"), &format!("GET {target}"), &[], b"")).into();
    cases.push(with("target * of OPTIONS", "OPTIONS *", &[], b""));
    cases.push(with("a path of 4000 bytes", &format!("GET /{}", "a".repeat(4_000)), &[], b""));
    cases.push(with("a query of 8000 bytes", &format!("GET /?{}", "a".repeat(8_000)), &[], b""));
    cases.push(case("a target in UTF-8", "GET /\u{e9} HTTP/1.1\r\nHost: client.example\r\n\r\n"));
    cases.push(case("a target in Latin-1", b"GET /\xe9 HTTP/1.1\r\nHost: client.example\r\n\r\n"));
    cases
}

/// Header lines, one request for each.
fn headers() -> Vec<Case> {
    const LINES: [&[u8]; 62] = [
        b"X-A:",
        b"X-A:   \t ",
        b"X-A:v",
        b"X-A: \t v \t ",
        b"X-A: a \t b",
        b"X-A: caf\xe9",
        b"X-A: caf\xc3\xa9",
        b"X-A: \x80\xff",
        b"X-A: \"a, b\", c;d=\"\\\"\"",
        b"X-A: ,a,,b,",
        b"x: 1",
        b"1: 1",
        b"X!#$%&'*+-.^`|~1: 1",
        b"X_A: 1",
        b"Content_Length: 7",
        b"X-A: 1\r\nX-A: 2\r\nX-B: 3\r\nX-A: 1",
        b"X-A: 1\r\nx-a:\r\nX-A: 2",
        b"Accept: a\r\nAccept: b, c",
        b"Cookie: a=b\r\nCookie: c=d",
        b"Cookie: a=b; c; =d; e=\"f\"",
        b"Cookie:",
        b"Authorization: Basic YTpi",
        b"Proxy-Authorization: Basic YTpi",
        b"Accept-Encoding: gzip;q=0.5, *;q=0",
        b"Via: 1.0 a, 1.1 b (c)",
        b"Max-Forwards: 0",
        b"Range: bytes=0-0,-1",
        b"If-None-Match: W/\"a\", \"b\"",
        b"If-Match: *",
        b"Date: Sun, 06 Nov 1994 08:49:37 GMT",
        b"From: a@b.example",
        b"Priority: u=1, i",
        b"Early-Data: 1",
        b"Idempotency-Key: \"1\"",
        b"Prefer: wait=5",
        b"Baggage: a=%20",
        b"Traceparent: 00-0-0-01",
        b"X-Forwarded-For: 192.0.2.1",
        b"X-Forwarded-Proto: https",
        b"X-Forwarded-Host: deceit.example",
        b"X-Forwarded-Port: 1",
        b"Forwarded: for=192.0.2.1",
        b"X-Real-IP: 192.0.2.1",
        b"CDN-Loop: other",
        b"Connection: close",
        b"Connection: keep-alive",
        b"Connection: x-a\r\nX-A: 1",
        b"Connection: authorization\r\nAuthorization: Basic YTpi",
        b"Connection: TE\r\nTE: trailers",
        b"TE: trailers",
        b"TE: gzip;q=0.5, trailers",
        b"Keep-Alive: timeout=5",
        b"Proxy-Connection: keep-alive",
        b"Upgrade: websocket",
        b"Connection: upgrade\r\nUpgrade: foo/2",
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
        b"Trailer: X-A",
        b"Content-Type: text/plain; charset=\"x\"",
        b"Content-Encoding: gzip",
        b"Expect: 100-continue",
        b"Transfer-Encoding: identity",
        b"Content-Length: 0\r\nContent-Length: 0",
    ];
    let case = |line: &[u8]| with(Case::title_of(line), "GET /", &[line], b"");
    LINES.into_iter().map(case).collect()
}

/// Heads that are odd as a whole.
fn heads() -> Vec<Case> {
    let lines = |count: usize| (0..count).map(|number| format!("X-{number}: 1\r\n")).collect::<String>();
    let get = |rest: &str| format!("GET / HTTP/1.1\r\n{rest}\r\n");
    let host = "Host: client.example\r\n";
    let post = |rest: &str| format!("POST / HTTP/1.1\r\n{host}{rest}");
    vec![
        case("a value of 4000 bytes", get(&format!("{host}X-A: {}\r\n", "a".repeat(4_000)))),
        case("a name of 200 bytes", get(&format!("{host}{}: 1\r\n", "a".repeat(200)))),
        case("60 lines of a name", get(&format!("{host}{}", "X-A: 1\r\n".repeat(60)))),
        case("90 names", get(&format!("{host}{}", lines(90)))),
        case("110 names", get(&format!("{host}{}", lines(110)))),
        case(
            "a head of 12 KB",
            get(&format!("{host}{}", format!("X-A: {}\r\n", "a".repeat(4_000)).repeat(3))),
        ),
        case(
            "a head of 20 KB",
            get(&format!("{host}{}", format!("X-A: {}\r\n", "a".repeat(4_000)).repeat(5))),
        ),
        case("Host in upper case", get("HOST: CLIENT.EXAMPLE\r\n")),
        case("Host with a port", get("Host: client.example:8080\r\n")),
        case("Host with IPv6", get("Host: [::1]:80\r\n")),
        case("Host without a value", get("Host:\r\n")),
        case("no Host", get("X-A: 1\r\n")),
        case("Host as the last line", get(&format!("X-A: 1\r\n{host}"))),
        case("two Hosts that agree", get(&format!("{host}{host}"))),
        case("lines that end in LF", format!("GET / HTTP/1.1\n{}\n", host.replace('\r', ""))),
        case("a folded header line", get(&format!("{host}X-A: a\r\n b\r\n"))),
        case("an empty line before the request", format!("\r\n{}", get(host))),
        case("HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n"),
        case("HTTP/1.0 with Host", format!("GET / HTTP/1.0\r\n{host}\r\n")),
        case("HTTP/1.0 with keep-alive", format!("GET / HTTP/1.0\r\n{host}Connection: keep-alive\r\n\r\n")),
        case("HTTP/1.0 with a length", format!("POST / HTTP/1.0\r\n{host}Content-Length: 5\r\n\r\nhello")),
        case(
            "HTTP/1.0 with Expect",
            format!("POST / HTTP/1.0\r\n{host}Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello"),
        ),
        case("Expect and the body at once", post("Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello")),
        case("a length with zeros before it", post("Content-Length: 00005\r\n\r\nhello")),
        case("the same length twice", post("Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello")),
        case("the same length twice in a line", post("Content-Length: 5, 5\r\n\r\nhello")),
        case(
            "a length beside chunks",
            post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        ),
        case("gzip before chunked", post("Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")),
        case(
            "a trailer of 4000 bytes",
            post(&format!("Transfer-Encoding: chunked\r\n\r\n0\r\nX-A: {}\r\n\r\n", "a".repeat(4_000))),
        ),
        case(
            "a trailer that names the length",
            post("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nContent-Length: 9\r\nX-A: 1\r\n\r\n"),
        ),
        case(
            "a chunk extension of 3000 bytes",
            post(&format!("Transfer-Encoding: chunked\r\n\r\n5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(3_000))),
        ),
    ]
}
