use super::*;

#[track_caller]
fn check(uri: &str, host_header: Option<&str>, authority: &str, host: &str) {
    let mut request = Request::get(uri).body(()).unwrap();
    if let Some(value) = host_header {
        request.headers_mut().insert(header::HOST, value.parse().unwrap());
    }
    let head = RequestHead::from(&request);
    assert_eq!((head.authority(), head.host()), (Some(authority), Some(host)), "{uri} {host_header:?}");
    assert!(!format!("{head:?}").contains("secret"), "{head:?}");
}

#[track_caller]
fn check_upgrade<const N: usize>(lines: [&str; N], expected: bool) {
    let mut request = Request::get("http://host.example/").header("connection", "Upgrade").body(()).unwrap();
    for line in lines {
        request.headers_mut().append(header::UPGRADE, line.parse().unwrap());
    }
    let snapshot = HeadSnapshot::new(&request);
    for head in [RequestHead::from(&request), RequestHead::from(&snapshot)] {
        assert_eq!(
            (head.is_connect_or_upgrade(), head.looked_over().is_connect_or_upgrade()),
            (expected, expected),
            "{lines:?}"
        );
    }
}

#[test]
fn a_method_is_idempotent_by_rfc_9110_or_safe_by_the_registry() {
    let is_idempotent = |method: &str| {
        let request = Request::builder().method(method).body(()).unwrap();
        RequestHead::from(&request).has_idempotent_method()
    };
    for method in
        ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "PROPFIND", "REPORT", "SEARCH", "QUERY"]
    {
        assert!(is_idempotent(method), "{method}");
    }
    for method in [
        "POST",
        "PATCH",
        "CONNECT",
        "LOCK",
        "UNLOCK",
        "MKCOL",
        "COPY",
        "MOVE",
        "PROPPATCH",
        "ACL",
        "query",
        "X",
    ] {
        assert!(!is_idempotent(method), "{method}");
    }
}

#[test]
fn an_upgrade_to_another_or_an_unknown_protocol_counts() {
    check_upgrade([" ,"], true);
    check_upgrade(["websocket"], true);
    check_upgrade(["WebSocket"], true);
    check_upgrade(["TLS/1.2, HTTP/1.1"], true);
    check_upgrade(["connect-udp"], true);
    check_upgrade(["h2"], true);
    check_upgrade(["h2cx"], true);
    check_upgrade(["h2c, websocket"], true);
    check_upgrade(["h2c", "IRC/6.9"], true);
    check_upgrade(["h2c websocket"], true);
}

#[test]
fn an_upgrade_to_another_version_of_http_does_not_count() {
    check_upgrade([], false);
    check_upgrade(["h2c"], false);
    check_upgrade(["H2C"], false);
    check_upgrade([" ,\th2c , HTTP/2.0,"], false);
    check_upgrade(["h2c", "http/3.0"], false);
    check_upgrade(["HTTP"], false);
}

#[test]
fn connect_counts_with_any_upgrade_header() {
    let request = Request::connect("host.example:443").header("upgrade", "h2c").body(()).unwrap();
    assert!(RequestHead::from(&request).is_connect_or_upgrade());
}

#[test]
fn the_authority_has_no_password_and_the_host_no_port() {
    check("http://host.example/", None, "host.example", "host.example");
    check("http://host.example:80/", Some("other"), "host.example:80", "host.example");
    check("http://user:secret@host.example:80/", None, "host.example:80", "host.example");
    check("http://[::1]:80/", None, "[::1]:80", "[::1]");
    check("http://[::1]/", None, "[::1]", "[::1]");
    check("/", Some("host.example:80"), "host.example:80", "host.example");
    check("/", Some("user:secret@host.example:80"), "host.example:80", "host.example");
    check("/", Some("::1"), "::1", "::1");
}
