//! A store over TLS.

use std::time::Duration;

use http_retry::fleet::UnreachableReason;
use http_retry_redis::RedisConfig;
use testkit::redis::{RedisServer, free_port};

use crate::support::{Member, run};

#[test]
fn store_over_tls_is_trusted_by_its_root() {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = std::env::temp_dir().join(format!("redis-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let pem = certified.cert.pem();
    let (cert, key) =
        (write("cert.pem", pem.clone()), write("key.pem", certified.signing_key.serialize_pem()));
    let port = free_port().to_string();
    let arguments = ["--tls-port", &port, "--tls-cert-file", &cert, "--tls-key-file", &key];
    let clients = ["--tls-ca-cert-file", &cert, "--tls-auth-clients", "no"];
    let server = RedisServer::start_with(&[&arguments[..], &clients[..]].concat());
    let config =
        || RedisConfig::new(format!("rediss://localhost:{port}"), "test").timeout(Duration::from_secs(1));
    run(async {
        let mut member = Member::connect(config().root_certificates(pem.clone()));
        member.reachable().await;
        assert_eq!(member.members(false).await, 1);
        assert_eq!(member.store.address(), format!("rediss://localhost:{port}/0"));
        // The roots of the system do not have this one.
        assert_eq!(Member::connect(config()).unreachable().await, UnreachableReason::Closed);
    });
    assert!(RedisConfig::new(server.url(), "test").root_certificates(pem).connect().is_err());
    std::fs::remove_dir_all(folder).unwrap();
}
