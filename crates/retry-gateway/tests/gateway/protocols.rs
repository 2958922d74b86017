//! HTTP/2 and TLS on both sides: one gateway is the client of another.

use std::path::Path;

use crate::client::call;
use crate::process::Gateway;
use crate::upstream::{Upstream, say};

#[test]
fn http2_by_prior_knowledge_on_both_sides() {
    let upstream = Upstream::answering(vec![say(503, &[], ""), say(200, &["x-answer: 1"], "done")]);
    let back = Gateway::before(&upstream.url(), &[]);
    let front = Gateway::by(&format!(
        "[upstreams.back]\nendpoints = [\"http://{}\"]\nprotocol = \"http2\"\n[[routes]]\nupstream = \"back\"\n",
        back.address
    ));
    let body = "x".repeat(30_000);
    let reply = call(front.address, "PUT /a?b", &["x-question: 2"], &body);
    assert_eq!((reply.status, reply.body.as_str(), reply.header("x-answer")), (200, "done", Some("1")));
    let seen = upstream.seen();
    assert_eq!((seen.len(), seen[1].body == body, seen[1].header("x-question")), (2, true, Some("2")));
    assert!(seen[1].head.starts_with("PUT /a?b"), "{}", seen[1].head);
    assert_eq!(seen[1].header("host"), Some(&upstream.url()["http://".len()..]));
}

#[test]
fn tls_on_both_sides_whichever_the_version() {
    let folder = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, certified.cert.pem()).unwrap();
    std::fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    let upstream = Upstream::answering(vec![say(200, &[], "done")]);
    let back = Gateway::by(&format!(
        "tls = {{ cert = {cert:?}, key = {key:?} }}\n[upstreams.api]\nendpoints = [\"{}\"]\n[[routes]]\nupstream = \"api\"\n",
        upstream.url()
    ));
    let front = |protocol: &str, ca: Option<&Path>| {
        let ca = ca.map_or_else(String::new, |path| format!("tls = {{ ca = {path:?} }}"));
        Gateway::by(&format!(
            "[upstreams.back]\nendpoints = [\"https://localhost:{}\"]\nprotocol = \"{protocol}\"\n{ca}\n\
             [[routes]]\nupstream = \"back\"\n",
            back.address.port()
        ))
    };
    for protocol in ["http1", "http2"] {
        let trusting = front(protocol, Some(&cert));
        assert_eq!(call(trusting.address, "GET /", &[], "").body, "done", "{protocol}");
        assert_eq!(upstream.seen().last().unwrap().header("x-forwarded-proto"), Some("https"), "{protocol}");
        // Whom nobody vouches for is not spoken to.
        let wary = front(protocol, None);
        let reply = call(wary.address, "GET /", &[], "");
        assert_eq!((reply.status, reply.header("retry-after")), (502, None), "{protocol}");
        assert!(reply.body.contains("untrusted certificate"), "{}", reply.body);
    }
    assert_eq!(upstream.seen().len(), 2);
}
