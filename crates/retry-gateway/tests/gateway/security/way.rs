//! What a client may say of who was before it, and what it may have left out.

use crate::client::call;
use crate::process::Gateway;
use crate::upstream::{Seen, Upstream, say};

const TOLD: &[&str] = &[
    "x-forwarded-for: 198.51.100.1",
    "x-forwarded-host: made.up",
    "x-forwarded-proto: https",
    "x-forwarded-prefix: /admin",
    "x-real-ip: 10.0.0.1",
    "forwarded: for=198.51.100.1",
];

/// What the upstream sees and the log says of a request that tells of somebody before it.
fn told(top: &str) -> (Seen, serde_json::Value) {
    let upstream = Upstream::answering(vec![say(200, &[], "")]);
    let gateway = Gateway::by(&format!(
        "{top}\n[upstreams.api]\nendpoints = [{:?}]\n[[routes]]\nupstream = \"api\"\n",
        upstream.url()
    ));
    assert_eq!(call(gateway.address, "GET /", TOLD, "").status, 200);
    (upstream.seen().remove(0), gateway.log(1).remove(0))
}

#[test]
fn nobody_is_trusted_unless_the_file_says_so() {
    for top in ["", "trusted_proxies = [\"10.0.0.0/8\"]"] {
        let (seen, line) = told(top);
        assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"), "{top}");
        assert_eq!(seen.header("x-forwarded-host"), Some("client.example"), "{top}");
        assert_eq!(seen.header("x-forwarded-proto"), Some("http"), "{top}");
        assert_eq!((seen.header("x-forwarded-prefix"), seen.header("x-real-ip")), (None, None), "{top}");
        let forwarded = "for=127.0.0.1;host=\"client.example\";proto=http";
        assert_eq!(seen.header("forwarded"), Some(forwarded), "{top}");
        assert_eq!(line["client"], "127.0.0.1", "{top}");
    }
}

#[test]
fn a_trusted_proxy_tells_who_was_before_it() {
    let (seen, line) = told("trusted_proxies = [\"127.0.0.0/8\"]");
    assert_eq!(seen.header("x-forwarded-for"), Some("198.51.100.1, 127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-host"), Some("made.up"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
    assert_eq!(seen.header("x-forwarded-prefix"), Some("/admin"));
    let forwarded = "for=198.51.100.1, for=127.0.0.1;host=\"client.example\";proto=http";
    assert_eq!(seen.header("forwarded"), Some(forwarded));
    assert_eq!(line["client"], "198.51.100.1");
}

#[test]
fn a_client_cannot_name_away_what_is_for_everybody() {
    let upstream = Upstream::answering(vec![say(200, &[], "")]);
    let gateway = Gateway::before(&upstream.url(), &[]);
    let named = "connection: close, host, x-forwarded-for, forwarded, authorization, content-length, \
                 idempotency-key, cookie, x-mine";
    let lines = ["authorization: a", "idempotency-key: b", "cookie: c", "x-mine: d", named];
    assert_eq!(call(gateway.address, "POST /", &lines, "hello").status, 200);
    let seen = &upstream.seen()[0];
    for (name, value) in [
        ("host", Some(&upstream.url()["http://".len()..])),
        ("x-forwarded-for", Some("127.0.0.1")),
        ("authorization", Some("a")),
        ("content-length", Some("5")),
        ("idempotency-key", Some("b")),
        ("cookie", Some("c")),
        ("x-mine", None),
        ("connection", None),
    ] {
        assert_eq!(seen.header(name), value, "{name}");
    }
    assert_eq!(seen.body, "hello");
}

/// Names that frameworks take for the client's address, and names that CGI and WSGI take for other ones.
#[test]
fn no_other_name_tells_of_somebody_before() {
    let addresses = [
        "true-client-ip",
        "x-azure-socketip",
        "cf-pseudo-ipv4",
        "cloudfront-viewer-address",
        "incap-client-ip",
        "x-sucuri-clientip",
        "ali-cdn-real-ip",
        "x-vercel-forwarded-for",
        "x-nf-client-connection-ip",
        "forwarded-for",
        "x-forwarded",
        "x-envoy-internal",
        "x-client-ip",
        "x-cluster-client-ip",
        "cf-connecting-ip",
        "fastly-client-ip",
        "x-original-forwarded-for",
        "x-forwarded-client-cert",
    ];
    let underscores = ["X_Forwarded_For", "Content_Length", "x-forwarded_for", "_", "tenant_id"];
    for (top, keeps_addresses, keeps_underscores) in [
        ("", false, false),
        ("trusted_proxies = [\"127.0.0.0/8\"]", true, false),
        ("underscores_in_headers = true", false, true),
    ] {
        let upstream = Upstream::answering(vec![say(200, &[], "")]);
        let gateway = Gateway::by(&format!(
            "{top}\n[upstreams.api]\nendpoints = [{:?}]\n[[routes]]\nupstream = \"api\"\n",
            upstream.url()
        ));
        let lines: Vec<_> = addresses.iter().chain(&underscores).map(|name| format!("{name}: 1")).collect();
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        assert_eq!(call(gateway.address, "POST /", &lines, "hello").status, 200);
        let seen = upstream.seen().remove(0);
        for name in addresses {
            assert_eq!(seen.header(name).is_some(), keeps_addresses, "{top} {name}");
        }
        for name in underscores {
            assert_eq!(seen.header(name).is_some(), keeps_underscores, "{top} {name}");
        }
        assert_eq!(seen.body, "hello");
    }
}
