//! Where attempts go, and how long one may take.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use tokio::net::TcpSocket;

use crate::configured::{attempts, gateway, get};
use crate::upstream::{Act, Upstream, response, say};

/// An address at which a connection takes for ever, as long as this is kept.
struct Full {
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
    address: SocketAddr,
}

impl Full {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let listener = runtime.block_on(async {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
            socket.listen(1).unwrap().into_std().unwrap()
        });
        let address = listener.local_addr().unwrap();
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(500)).ok();
        Self { _waiting: std::iter::from_fn(connect).collect(), _listener: listener, address }
    }
}

/// What becomes of an attempt at an endpoint that keeps a connection from coming about.
#[track_caller]
fn check_connect(endpoint: &str, connect_timeout: &str, per_try_timeout: &str, expected: &str) {
    let upstream = format!("connect_timeout = \"{connect_timeout}\"");
    let retry = format!("[routes.retry]\nnum_retries = 0\nper_try_timeout = \"{per_try_timeout}\"");
    let gateway = gateway(&[endpoint.to_owned()], &upstream, "", &retry);
    get(&gateway);
    let log = gateway.log(1);
    let [attempt] = attempts(&log[0]) else { panic!("{log:?}") };
    assert_eq!(attempt["error"], expected, "{endpoint} {connect_timeout} {per_try_timeout}");
}

#[test]
fn a_connection_may_take_as_long_as_its_timeout_with_tls() {
    let full = Full::new();
    // It takes connections, and answers no greeting.
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoints = [format!("http://{}", full.address), format!("https://{}", deaf.local_addr().unwrap())];
    thread::scope(|scope| {
        for endpoint in &endpoints {
            // Shorter than the default, and then longer.
            scope.spawn(|| check_connect(endpoint, "200ms", "1900ms", "connect failed"));
            scope.spawn(|| check_connect(endpoint, "10s", "2200ms", "connect failed"));
        }
    });
}

/// Longer than the default lets it.
#[test]
fn a_try_may_take_as_long_as_the_route_where_it_has_no_timeout() {
    let late = Act::Slowly(vec![String::new(), response(200, &[], "done")], Duration::from_millis(5_200));
    let upstream = Upstream::answering(vec![late]);
    let gateway = gateway(&[upstream.url()], "", "", "[routes.retry]\nper_try_timeout = false");
    assert_eq!((get(&gateway).body.as_str(), upstream.seen().len()), ("done", 1));
}

/// How many of 40 requests are sent again to an endpoint that they were sent to before.
#[track_caller]
fn sent_back(host_selection: &str) -> usize {
    let busy = || Upstream::answering(vec![say(503, &[], "busy")]);
    let upstreams = [busy(), busy()];
    let retry = format!("[routes.retry]\nnum_retries = 1\nhost_selection = \"{host_selection}\"");
    // Or one that is left alone would leave no other.
    let settings = "outlier_detection = false";
    let gateway = gateway(&[upstreams[0].url(), upstreams[1].url()], settings, "", &retry);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..10).for_each(|_| assert_eq!(get(&gateway).body, "busy")));
        }
    });
    let log = gateway.log(40);
    let is_same = |line: &&serde_json::Value| attempts(line)[0]["endpoint"] == attempts(line)[1]["endpoint"];
    log.iter().filter(is_same).count()
}

#[test]
fn a_resend_goes_back_where_any_endpoint_will_do() {
    assert_eq!(sent_back("avoid-previous"), 0);
    assert!(sent_back("any") > 0);
}
