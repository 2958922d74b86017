//! An upstream is who its certificate says, and it is still so.

use std::path::Path;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use crate::client::call;
use crate::process::Gateway;
use crate::upstream::{Upstream, say};

/// Whether a gateway that trusts this certificate talks to `localhost`, which proves itself with it.
fn is_spoken_to(folder: &Path, name: &str, until: i32) -> bool {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(2000, 1, 1), date_time_ymd(until, 1, 1));
    let key = KeyPair::generate().unwrap();
    let (cert_path, key_path) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&cert_path, params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(&key_path, key.serialize_pem()).unwrap();
    let upstream = Upstream::answering(vec![say(200, &[], "")]);
    let back = Gateway::by(&format!(
        "tls = {{ cert = {cert_path:?}, key = {key_path:?} }}\n[upstreams.api]\nendpoints = [{:?}]\n[[routes]]\n\
         upstream = \"api\"\n",
        upstream.url()
    ));
    let front = Gateway::by(&format!(
        "[upstreams.back]\nendpoints = [\"https://localhost:{}\"]\ntls = {{ ca = {cert_path:?} }}\n[[routes]]\n\
         upstream = \"back\"\n",
        back.address.port()
    ));
    let reply = call(front.address, "GET /", &[], "");
    let is_refused = reply.status == 502 && reply.body.contains("is its certificate trusted?");
    assert!(reply.status == 200 || is_refused, "{} {}", reply.status, reply.body);
    assert_eq!(upstream.seen().len(), usize::from(reply.status == 200));
    reply.status == 200
}

#[test]
fn a_certificate_for_somebody_else_or_of_another_time_is_none() {
    let folder = tempfile::tempdir().unwrap();
    for (name, until, expected) in
        [("localhost", 2100, true), ("other.example", 2100, false), ("localhost", 2001, false)]
    {
        assert_eq!(is_spoken_to(folder.path(), name, until), expected, "{name} until {until}");
    }
}
