//! The responses: each has a title, and the bytes that a server answers with.

use super::exchange::Case;

/// All responses.
pub(super) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(statuses());
    cases.extend(framings());
    cases.extend(trailers());
    cases.extend(sizes());
    cases.extend(headers());
    cases.extend(heads());
    cases.extend(interim());
    cases
}

const COMMON: &str = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nX-From-Server: 1\r\n";

fn case(title: impl Into<String>, method: &str, response: impl Into<Vec<u8>>) -> Case {
    let request = format!("{method} / HTTP/1.1\r\nHost: client.example\r\n\r\n").into_bytes();
    Case { title: title.into(), request, response: response.into(), is_http2: false, closes: false, piece: 0 }
}

/// A response with some header lines and what follows the head.
fn with(title: impl Into<String>, method: &str, line: &str, headers: &[u8], rest: &[u8]) -> Case {
    let head = format!("{line}\r\n{COMMON}");
    case(title, method, [head.as_bytes(), headers, b"\r\n", rest].concat())
}

/// Each kind of status, final ones that nobody has registered too.
fn statuses() -> Vec<Case> {
    const STATUSES: [u16; 43] = [
        200, 201, 202, 203, 205, 206, 207, 208, 226, 299, 300, 301, 302, 303, 305, 307, 308, 400, 401, 402,
        403, 404, 405, 406, 407, 408, 413, 416, 418, 421, 425, 426, 429, 431, 451, 499, 500, 501, 502, 503,
        504, 511, 599,
    ];
    let case = |status: u16| {
        let (length, body) = if status == 205 { (0, "") } else { (2, "ok") };
        let headers = format!("Content-Length: {length}\r\n");
        with(
            format!("status {status}"),
            "GET",
            &format!("HTTP/1.1 {status} Reason"),
            headers.as_bytes(),
            body.as_bytes(),
        )
    };
    STATUSES.into_iter().map(case).collect()
}

/// Each framing for GET and HEAD.
fn framings() -> Vec<Case> {
    /// Title, status line, header lines, body, and whether the connection closes.
    type Framing = (&'static str, &'static str, &'static [u8], &'static [u8], bool);
    const FRAMINGS: [Framing; 17] = [
        ("a length", OK, b"Content-Length: 5\r\n", b"hello", false),
        ("a length of 0", OK, b"Content-Length: 0\r\n", b"", false),
        ("a chunk", OK, b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n", false),
        ("chunks and no data", OK, b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", false),
        (
            "chunks with extensions",
            OK,
            b"Transfer-Encoding: chunked\r\n",
            b"5 ;a=\"b\"\r\nhello\r\n0;c\r\n\r\n",
            false,
        ),
        (
            "chunks and trailers",
            OK,
            b"Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n",
            b"5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-Other: \xe9\r\n\r\n",
            false,
        ),
        (
            "chunks, zeros before their sizes",
            OK,
            b"transfer-encoding: CHUNKED\r\n",
            b"0005\r\nhello\r\n000\r\n\r\n",
            false,
        ),
        ("a body up to the close", OK, b"", b"hello", true),
        ("no body up to the close", OK, b"", b"", true),
        ("a body up to an announced close", OK, b"Connection: close\r\n", b"hello", true),
        ("HTTP/1.0 up to the close", "HTTP/1.0 200 OK", b"", b"hello", true),
        ("HTTP/1.0 and a length", "HTTP/1.0 200 OK", b"Content-Length: 5\r\n", b"hello", true),
        (
            "HTTP/1.0 and keep-alive",
            "HTTP/1.0 200 OK",
            b"Connection: keep-alive\r\nContent-Length: 5\r\n",
            b"hello",
            false,
        ),
        ("204", "HTTP/1.1 204 No Content", b"", b"", false),
        ("204 and a length of 0", "HTTP/1.1 204 No Content", b"Content-Length: 0\r\n", b"", false),
        ("304", "HTTP/1.1 304 Not Modified", b"ETag: \"a\"\r\n", b"", false),
        (
            "304 and a length",
            "HTTP/1.1 304 Not Modified",
            b"Content-Length: 5\r\nETag: W/\"a\"\r\n",
            b"",
            false,
        ),
    ];
    let mut cases = Vec::new();
    for (title, line, headers, body, closes) in FRAMINGS {
        for method in ["GET", "HEAD"] {
            let is_head = method == "HEAD";
            let body = if is_head { b"" } else { body };
            // A proxy may use the connection again after a HEAD whose response does not say that it closes.
            let closes = closes && (!is_head || !headers.is_empty() || line != OK);
            cases.push(Case { closes, ..with(format!("{method}, {title}"), method, line, headers, body) });
        }
    }
    cases
}

const OK: &str = "HTTP/1.1 200 OK";

/// Trailers, with and without the two headers that announce them.
fn trailers() -> Vec<Case> {
    const REST: &[u8] = b"5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-Other: \xe9\r\n\r\n";
    let trailers = |title: &str, te: &str, announced: &str| {
        let headers = format!("Transfer-Encoding: chunked\r\n{announced}");
        let case = with(title, "GET", OK, headers.as_bytes(), REST);
        let request = format!("GET / HTTP/1.1\r\nHost: client.example\r\n{te}\r\n").into_bytes();
        Case { request, ..case }
    };
    const TE: &str = "TE: trailers\r\nConnection: TE\r\n";
    const ANNOUNCED: &str = "Trailer: X-Sum\r\nTrailer: X-Other\r\n";
    vec![
        trailers("trailers, announced, for TE: trailers", TE, ANNOUNCED),
        trailers("trailers, not announced, for TE: trailers", TE, ""),
        trailers("trailers, announced, without TE", "", ANNOUNCED),
    ]
}

fn sizes() -> Vec<Case> {
    let mut cases = Vec::new();
    for size in [1, 4_096, 16_384, 65_537, 1_048_576] {
        let body: Vec<u8> = (0..=255).cycle().take(size).collect();
        let chunk = [format!("{size:X}\r\n").as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
        let length = format!("Content-Length: {size}\r\n");
        let title = format!("{size} bytes");
        cases.push(with(format!("{title} and a length"), "GET", OK, length.as_bytes(), &body));
        cases.push(with(format!("{title} in a chunk"), "GET", OK, b"Transfer-Encoding: chunked\r\n", &chunk));
        cases.push(Case { closes: true, ..with(format!("{title} up to the close"), "GET", OK, b"", &body) });
    }
    let chunks: Vec<u8> =
        (0..2_000).flat_map(|number| format!("1\r\n{}\r\n", number % 10).into_bytes()).collect();
    let chunks = [chunks, b"0\r\n\r\n".to_vec()].concat();
    cases.push(with("2000 chunks of a byte", "GET", OK, b"Transfer-Encoding: chunked\r\n", &chunks));
    let rest = b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n";
    let packets = with("chunks in packets of a byte", "GET", OK, b"Transfer-Encoding: chunked\r\n", rest);
    cases.push(Case { piece: 1, ..packets });
    cases.push(Case {
        closes: true,
        ..with("a body that is cut, with a length", "GET", OK, b"Content-Length: 9\r\n", b"hello")
    });
    let cut = with(
        "a body that is cut, in chunks",
        "GET",
        OK,
        b"Transfer-Encoding: chunked\r\n",
        b"5\r\nhello\r\n",
    );
    cases.push(Case { closes: true, ..cut });
    cases
}

/// Header lines, one response for each.
fn headers() -> Vec<Case> {
    const LINES: [&[u8]; 36] = [
        b"X-A:",
        b"X-A: \t ",
        b"X-A:v",
        b"X-A: \t v \t ",
        b"X-A: a \t b",
        b"X-A: caf\xe9",
        b"X-A: \x80\xff",
        b"X!#$%&'*+-.^_`|~1: 1",
        b"X_A: 1",
        b"X-A: 1\r\nX-B: 2\r\nX-A: 3",
        b"Set-Cookie: a=b; Path=/\r\nSet-Cookie: c=d, e",
        b"Set-Cookie:",
        b"Vary: a\r\nVary: *",
        b"Cache-Control: no-store, private=\"x\"",
        b"Content-Encoding: gzip",
        b"Content-Type: text/event-stream",
        b"Location: //a/../b?c#d",
        b"Retry-After: 0",
        b"Server: a/1 (b)",
        b"Via: 1.0 a, 1.1 b",
        b"WWW-Authenticate: Basic realm=\"a\", Bearer",
        b"Proxy-Authenticate: Basic realm=\"a\"",
        b"Accept-Ranges: none",
        b"Age: 4294967296",
        b"Warning: 110 - \"a\"",
        b"Alt-Svc: h3=\":443\"; ma=1",
        b"Connection: close",
        b"Connection: x-a\r\nX-A: 1",
        b"Connection: keep-alive\r\nKeep-Alive: timeout=60, max=9",
        b"Proxy-Connection: keep-alive",
        b"Upgrade: h2c",
        b"Trailer: X-A",
        b"Strict-Transport-Security: max-age=1",
        b"X-Forwarded-For: 192.0.2.1",
        b"X-Should-Retry: false",
        b"X-Envoy-Upstream-Service-Time: 1",
    ];
    let case = |line: &[u8]| {
        let headers = [line, b"\r\nContent-Length: 2\r\n"].concat();
        let closes = line == b"Connection: close";
        Case { closes, ..with(Case::title_of(line), "GET", OK, &headers, b"ok") }
    };
    LINES.into_iter().map(case).collect()
}

/// Heads that are odd as a whole.
fn heads() -> Vec<Case> {
    let with_lines = |title: &str, lines: String| {
        with(title, "GET", OK, format!("{lines}Content-Length: 2\r\n").as_bytes(), b"ok")
    };
    let names = |count: usize| (0..count).map(|number| format!("X-{number}: 1\r\n")).collect::<String>();
    let values = |count: usize| format!("X-A: {}\r\n", "a".repeat(4_000)).repeat(count);
    let status = |title: &str, line: &str| with(title, "GET", line, b"Content-Length: 2\r\n", b"ok");
    vec![
        with_lines("90 names", names(90)),
        with_lines("110 names", names(110)),
        with_lines("60 lines of Set-Cookie", "Set-Cookie: a=b\r\n".repeat(60)),
        with_lines("a folded header line", "X-A: a\r\n b\r\n".to_owned()),
        with_lines("a head of 12 KB", values(3)),
        with_lines("a head of 20 KB", values(5)),
        with_lines("a head of 60 KB", values(15)),
        with_lines("a name of 200 bytes", format!("{}: 1\r\n", "a".repeat(200))),
        with_lines("the same length twice", "Content-Length: 2\r\n".to_owned()),
        with("the same length twice in a line", "GET", OK, b"Content-Length: 2, 2\r\n", b"ok"),
        with("a length with zeros before it", "GET", OK, b"Content-Length: 002\r\n", b"ok"),
        status("no reason phrase", "HTTP/1.1 200 "),
        status("no space behind the status", "HTTP/1.1 200"),
        status("a reason phrase of many words", "HTTP/1.1 200 All is \t well: \"a\""),
        case(
            "a reason phrase in Latin-1",
            "GET",
            [b"HTTP/1.1 200 caf\xe9\r\n", COMMON.as_bytes(), b"Content-Length: 2\r\n\r\nok"].concat(),
        ),
        case(
            "lines that end in LF",
            "GET",
            format!("{OK}\n{}Content-Length: 2\n\nok", COMMON.replace('\r', "")),
        ),
        case("no Date", "GET", format!("{OK}\r\nX-From-Server: 1\r\nContent-Length: 2\r\n\r\nok")),
        with(
            "a trailer of 4000 bytes",
            "GET",
            OK,
            b"Transfer-Encoding: chunked\r\n",
            format!("0\r\nX-A: {}\r\n\r\n", "a".repeat(4_000)).as_bytes(),
        ),
        with(
            "a trailer that names the length",
            "GET",
            OK,
            b"Transfer-Encoding: chunked\r\n",
            b"2\r\nok\r\n0\r\nContent-Length: 9\r\nX-A: 1\r\n\r\n",
        ),
    ]
}

fn interim() -> Vec<Case> {
    const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n";
    let response = format!("{OK}\r\n{COMMON}Content-Length: 2\r\n\r\nok");
    let after = |title: &str, before: &str| case(title, "GET", format!("{before}{response}"));
    vec![
        after("100 before the response", "HTTP/1.1 100 Continue\r\n\r\n"),
        after("102 before the response", "HTTP/1.1 102 Processing\r\n\r\n"),
        after("103 before the response", HINTS),
        after("103 twice before the response", &format!("{HINTS}{HINTS}")),
    ]
}
