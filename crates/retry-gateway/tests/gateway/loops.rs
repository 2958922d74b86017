//! A gateway that leads back to itself.

use std::net::{SocketAddr, TcpListener};

use crate::client::call;
use crate::process::{Gateway, run};

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A file of a gateway that listens at an address and sends everything to another one.
fn leads(listen: &str, endpoint: &str, protocol: &str) -> String {
    format!(
        "listen = \"{listen}\"\n[upstreams.api]\nendpoints = [\"{endpoint}\"]\nprotocol = \"{protocol}\"\n[[routes]]\n\
         upstream = \"api\"\n"
    )
}

/// Neither file says that the two lead to each other.
#[test]
fn a_loop_of_two_gateways_ends_after_a_few_hops() {
    for (protocol, method) in [("http1", "GET /"), ("http1", "POST /"), ("http2", "GET /")] {
        let (first, second) = (free_address(), free_address());
        let first_gateway = Gateway::by(&leads(&first.to_string(), &format!("http://{second}"), protocol));
        let second_gateway = Gateway::by(&leads(&second.to_string(), &format!("http://{first}"), protocol));
        let reply = call(first, method, &[], "");
        assert_eq!((reply.status, reply.header("content-type")), (508, Some("application/problem+json")));
        assert!(reply.body.contains("The request came back to the gateway"), "{}", reply.body);
        let lines = first_gateway.logged() + second_gateway.logged();
        assert_eq!(lines, 9, "{protocol} {method}");
        let rejected = first_gateway.log(1).iter().filter(|line| line["rejected"] == "loop").count();
        assert_eq!(rejected, 1);
    }
}

#[test]
fn a_file_whose_endpoint_is_its_own_listener_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    for (listen, endpoint, is_own) in [
        ("127.0.0.1:8099", "http://127.0.0.1:8099", true),
        ("127.0.0.1:8099", "https://localhost:8099", true),
        ("0.0.0.0:8099", "http://127.0.0.5:8099", true),
        ("[::]:8099", "http://[::1]:8099", true),
        ("[::]:8099", "http://127.0.0.1:8099", true),
        ("0.0.0.0:80", "http://localhost", true),
        ("127.0.0.1:8099", "http://127.0.0.1:8098", false),
        ("127.0.0.1:8099", "http://127.0.0.2:8099", false),
        ("0.0.0.0:8099", "http://10.0.0.1:8099", false),
        ("0.0.0.0:8099", "http://api.example:8099", false),
    ] {
        std::fs::write(&path, leads(listen, endpoint, "http1")).unwrap();
        let output = run(&["check", path.to_str().unwrap()]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), !is_own, "{listen} {endpoint}: {text}");
        assert_eq!(
            text.contains("3:14: upstreams.api.endpoints[0]: the gateway's own listen"),
            is_own,
            "{text}"
        );
    }
}
