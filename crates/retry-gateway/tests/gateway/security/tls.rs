//! An upstream is who its certificate says, and it is still so; nobody is spoken to as of old.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};

use crate::client::call;
use crate::process::Gateway;
use crate::upstream::{Upstream, nobody, say};

/// Why a gateway that trusts this certificate does not talk to `localhost`, which proves itself with it, by its log. Empty if
/// it does.
fn distrust(folder: &Path, name: &str, until: i32, is_ca: IsCa) -> String {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.is_ca = is_ca;
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
    let is_refused = reply.status == 502 && reply.body.contains("untrusted certificate");
    assert!(reply.status == 200 || is_refused, "{} {}", reply.status, reply.body);
    assert_eq!(upstream.seen().len(), usize::from(reply.status == 200));
    let attempt = &front.log(1)[0]["attempts"][0];
    assert_eq!(attempt["error"].as_str(), is_refused.then_some("connect failed"));
    attempt["detail"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_certificate_for_somebody_else_or_of_another_time_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let authority = IsCa::Ca(BasicConstraints::Unconstrained);
    for (name, until, is_ca, expected) in [
        ("localhost", 2100, IsCa::NoCa, ""),
        ("other.example", 2100, IsCa::NoCa, "not valid for name \"localhost\""),
        ("localhost", 2001, IsCa::NoCa, "expired"),
        ("localhost", 2100, authority, "CaUsedAsEndEntity"),
    ] {
        let reason = distrust(folder.path(), name, until, is_ca);
        assert_eq!(reason.is_empty(), expected.is_empty(), "{reason}");
        assert!(reason.contains(expected), "{reason}");
    }
}

#[test]
fn the_log_says_why_no_connection_was_made() {
    let front = Gateway::before(&nobody(), &[]);
    assert_eq!(call(front.address, "GET /", &[], "").status, 503);
    let attempt = &front.log(1)[0]["attempts"][0];
    assert_eq!(attempt["error"], "connect failed");
    assert!(attempt["detail"].as_str().is_some_and(|detail| detail.contains("refused")), "{attempt}");
}

/// A client's first words, with its newest version and the cipher suites that it knows.
fn hello(version: [u8; 2], suites: &[[u8; 2]]) -> Vec<u8> {
    let suites = suites.concat();
    let mut extensions = vec![0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0];
    extensions.extend([0, 13, 0, 4, 0, 2, 4, 3]);
    let short = |length: usize| u16::try_from(length).unwrap().to_be_bytes();
    let mut body = [&version[..], &[7; 32], &[0], &short(suites.len()), &suites, &[1, 0]].concat();
    body.extend([&short(extensions.len())[..], &extensions].concat());
    let message = [&[1, 0][..], &short(body.len()), &body].concat();
    [&[22, 3, 1][..], &short(message.len()), &message].concat()
}

#[test]
fn old_versions_and_weak_ciphers_are_refused() {
    const TLS_1_1: [u8; 2] = [3, 2];
    const TLS_1_2: [u8; 2] = [3, 3];
    // ECDHE_ECDSA with AES_128_GCM; the same with CBC; RSA with RC4, with 3DES, and with AES_128_CBC.
    const STRONG: [u8; 2] = [0xc0, 0x2b];
    const WEAK: [[u8; 2]; 4] = [[0xc0, 0x09], [0, 5], [0, 10], [0, 47]];
    let folder = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, certified.cert.pem()).unwrap();
    std::fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    let gateway = Gateway::by(&format!(
        "tls = {{ cert = {cert:?}, key = {key:?} }}\n[upstreams.api]\nendpoints = [\"http://127.0.0.1:9\"]\n[[routes]]\n\
         upstream = \"api\"\n"
    ));
    let (handshake, alert) = (22, 21);
    for (version, suites, expected) in
        [(TLS_1_2, &[STRONG][..], handshake), (TLS_1_1, &[STRONG], alert), (TLS_1_2, &WEAK, alert)]
    {
        let mut socket = TcpStream::connect(gateway.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.write_all(&hello(version, suites)).unwrap();
        let mut kind = [0];
        socket.read_exact(&mut kind).unwrap();
        assert_eq!(kind[0], expected, "{version:?} {suites:?}");
    }
}
