//! Another configuration while it works.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{call, call_over, open};
use crate::paced::stop;
use crate::process::Gateway;
use crate::upstream::{Act, Upstream, say};

/// A file with an admin listener, one upstream, and one route below a path.
fn config(upstream: &Upstream, path: &str, lines: &str) -> String {
    format!(
        "admin = \"127.0.0.1:0\"\n[upstreams.api]\nendpoints = [{:?}]\n{lines}\n\
         [[routes]]\nupstream = \"api\"\npath_prefix = \"{path}\"\n",
        upstream.url()
    )
}

fn answering(body: &str) -> Upstream {
    Upstream::answering(vec![say(200, &[], body)])
}

#[test]
fn no_request_is_lost_while_the_configuration_changes() {
    let (first, second) = (answering("first"), answering("second"));
    let gateway = Gateway::by(&config(&first, "/", ""));
    let stop = AtomicBool::new(false);
    let served: [AtomicUsize; 4] = Default::default();
    thread::scope(|scope| {
        let call_on = |number: usize| {
            let (served, stop, address) = (&served[number], &stop, gateway.address);
            scope.spawn(move || {
                let mut open = TcpStream::connect(address).unwrap();
                while !stop.load(Ordering::Relaxed) {
                    let reply = match number % 2 {
                        0 => call(address, "GET /", &[], ""),
                        _ => call_over(&mut open, "GET /"),
                    };
                    assert_eq!(reply.status, 200);
                    served.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        let callers = [0, 1, 2, 3].map(call_on);
        for number in 0..20 {
            let upstream = if number % 2 == 0 { &second } else { &first };
            assert!(gateway.reload(&config(upstream, "/", "")).contains("reloaded"));
            // Of two more that each has got one was asked for after this.
            let enough = served.each_ref().map(|served| served.load(Ordering::Relaxed) + 2);
            let missing =
                || served.iter().zip(enough).any(|(served, enough)| served.load(Ordering::Relaxed) < enough);
            while missing() && !callers.iter().any(|caller| caller.is_finished()) {
                thread::sleep(Duration::from_millis(1));
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(first.seen().len() > 20 && second.seen().len() > 20);
    assert_eq!(gateway.metric("config_reloads_total{outcome=\"applied\"}"), 20.0);
}

#[test]
fn a_new_route_counts_on_connections_that_are_open_and_what_is_under_way_ends_as_it_began() {
    let upstream = Upstream::start(|_, seen| match seen.head.contains("/slow") {
        true => Act::Slowly(
            vec!["HTTP/1.1 200 OK\r\n".to_owned(), "content-length: 3\r\n\r\nold".to_owned()],
            SOON * 2,
        ),
        false => say(200, &[], "done"),
    });
    let gateway = Gateway::by(&config(&upstream, "/slow", ""));
    let mut client = TcpStream::connect(gateway.address).unwrap();
    assert_eq!(call_over(&mut client, "GET /new").status, 404);
    let slow = thread::spawn({
        let address = gateway.address;
        move || call(address, "GET /slow", &[], "")
    });
    upstream.wait_seen(1);
    gateway.reload(&config(&upstream, "/new", ""));
    assert_eq!(call_over(&mut client, "GET /new").body, "done");
    assert_eq!(call_over(&mut client, "GET /slow").status, 404);
    assert_eq!(slow.join().unwrap().body, "old");
}

#[test]
fn a_new_route_counts_on_a_connection_of_http2() {
    let upstream = answering("done");
    let gateway = Gateway::by(&config(&upstream, "/old", ""));
    let client = Gateway::by(&format!(
        "[upstreams.back]\nendpoints = [\"http://{}\"]\nprotocol = \"http2\"\n[[routes]]\nupstream = \"back\"\n",
        gateway.address
    ));
    assert_eq!(call(client.address, "GET /new", &[], "").status, 404);
    gateway.reload(&config(&upstream, "/new", ""));
    assert_eq!(call(client.address, "GET /new", &[], "").status, 200);
    assert_eq!(gateway.metric("downstream_cx_active"), 1.0);
}

#[test]
fn a_file_with_a_mistake_changes_nothing_and_says_where_it_is() {
    let upstream = answering("done");
    let gateway = Gateway::by(&config(&upstream, "/", ""));
    let error = |gateway: &Gateway| gateway.status()["config"]["last_error"].clone();
    assert!(error(&gateway).is_null());
    // An alert on the increase needs the zero before it.
    assert!(gateway.ask("/metrics").body.contains("config_reloads_total{outcome=\"rejected\"} 0\n"));
    let said = gateway.reload(&config(&upstream, "/", "protocol = \"http3\""));
    let wrong = "gateway.toml:5:12: upstreams.api.protocol: unknown word";
    assert!(said.contains(wrong), "{said}");
    assert!(error(&gateway).as_str().is_some_and(|error| error.contains(wrong)), "{}", error(&gateway));
    assert_eq!(call(gateway.address, "GET /", &[], "").body, "done");
    assert_eq!(gateway.metric("config_reloads_total{outcome=\"rejected\"}"), 1.0);
    // What the file names can be wrong too.
    let said = gateway
        .reload(&format!("tls = {{ cert = \"none\", key = \"none\" }}\n{}", config(&upstream, "/", "")));
    assert!(said.contains("none: "), "{said}");
    gateway.reload(&config(&upstream, "/", ""));
    assert!(error(&gateway).is_null());
    assert_eq!(gateway.metric("config_reloads_total{outcome=\"rejected\"}"), 2.0);
}

#[test]
fn a_budget_and_a_stop_are_not_forgotten() {
    let quiet = ["retry-after: 60"];
    let upstream = Upstream::start(move |_, seen| match seen.head.contains("/quiet") {
        true => say(429, &quiet, ""),
        // It costs the budget, and says nothing about a limit.
        false => say(502, &[], ""),
    });
    let lines =
        "pace = { key = \"header:x-key\" }\nretry_budget = { percent = 0, min_retries_per_second = 1 }\n";
    let gateway = Gateway::by(&config(&upstream, "/", lines));
    for _ in 0..60 {
        call(gateway.address, "GET /", &["x-key: a"], "");
    }
    let tokens = |gateway: &Gateway| gateway.metric("retry_budget_tokens{upstream=\"api\"}");
    assert_eq!(stop(&gateway, "GET /quiet", &["x-key: b"]).status, 503);
    let (before, seen) = (tokens(&gateway), upstream.seen().len());
    // The words of the pace are the same.
    let more = format!("{lines}max_requests = 5\nconnect_timeout = \"1s\"\n");
    assert!(gateway.reload(&config(&upstream, "/", &more)).contains("reloaded"));
    assert!((tokens(&gateway) - before).abs() < 3.0, "{before} {}", tokens(&gateway));
    // It would have to wait for longer than its timeout, which is known without a call.
    assert_eq!(call(gateway.address, "GET /quiet", &["x-key: b"], "").status, 503);
    assert_eq!(upstream.seen().len(), seen);
    // Counters only grow.
    assert!(gateway.metric("upstream_rq_total{upstream=\"api\"}") > 62.0);
    // Others make a new pace, which has to be told.
    let other = more.replace("header:x-key", "credential");
    gateway.reload(&config(&upstream, "/", &other));
    assert_eq!(call(gateway.address, "GET /quiet", &["x-key: b"], "").status, 429);
}

/// Nothing would change such a gauge any more, and an alert on it would never end.
#[test]
fn the_gauges_of_an_upstream_that_is_gone_go_with_it() {
    let upstream = answering("done");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let stays = config(&upstream, "/stays", "");
    let leaves = format!(
        "[upstreams.leaves]\nendpoints = [\"http://{closed}\", {:?}]\n\
         [[routes]]\nupstream = \"leaves\"\npath_prefix = \"/leaves\"\n",
        upstream.url()
    );
    let gateway = Gateway::by(&format!("{stays}{leaves}"));
    let gauges = |name: &str| {
        let text = gateway.ask("/metrics").body;
        let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" gauge"));
        let is_there = |family: &&str| text.contains(&format!("\n{family}{{upstream=\"{name}\"}}"));
        families.filter(is_there).map(str::to_owned).collect::<Vec<_>>()
    };
    while gateway.status()["upstreams"][1]["ejected"] != 1 {
        assert_eq!(call(gateway.address, "GET /leaves", &[], "").status, 200);
    }
    call(gateway.address, "GET /stays", &[], "");
    let all = [
        "retry_amplification_ratio",
        "retry_budget_tokens",
        "outlier_detection_ejections_active",
        "upstream_rq_active",
        "upstream_rq_pending_active",
    ];
    assert_eq!([gauges("api"), gauges("leaves")], [all, all]);
    gateway.reload(&stays);
    assert_eq!(gauges("leaves"), [""; 0]);
    assert_eq!(gauges("api"), all);
    // What was counted stays.
    assert!(gateway.metric("upstream_rq_total{upstream=\"leaves\"}") > 0.0);
    // A budget can go without its upstream.
    gateway.reload(&config(&upstream, "/stays", "retry_budget = false"));
    assert_eq!(gauges("api"), [all[0], all[2], all[3], all[4]]);
}

#[test]
fn connections_to_an_upstream_stay_open_where_it_is_the_same() {
    let upstream = answering("");
    let gateway = Gateway::by(&config(&upstream, "/", ""));
    for lines in ["", "retry_budget = false", "max_requests = 5", "host = \"preserve\""] {
        gateway.reload(&config(&upstream, "/", lines));
        assert_eq!(call(gateway.address, "GET /", &[], "").status, 200, "{lines}");
    }
    assert!(upstream.seen().iter().all(|seen| seen.connection == 0), "{:?}", upstream.seen());
    gateway.reload(&config(&upstream, "/", "connect_timeout = \"1s\""));
    assert_eq!(call(gateway.address, "GET /", &[], "").status, 200);
    assert_eq!(upstream.seen().last().unwrap().connection, 1);
}

#[test]
fn a_file_that_is_written_over_is_read_without_being_asked() {
    let (first, second) = (answering("first"), answering("second"));
    let gateway = Gateway::by(&config(&first, "/", ""));
    let before = gateway.said().len();
    gateway.rewrite(&config(&second, "/", ""));
    gateway.wait_said(before, &["reloaded"]);
    assert_eq!(call(gateway.address, "GET /", &[], "").body, "second");
}

/// As Kubernetes mounts a ConfigMap: the file is a link, and what it leads to is another folder from one moment to the
/// next.
#[test]
fn a_file_behind_a_link_is_read_when_the_link_leads_elsewhere() {
    let (first, second) = (answering("first"), answering("second"));
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (name, upstream) in [("one", &first), ("two", &second)] {
        std::fs::create_dir(path(name)).unwrap();
        let text = format!("listen = \"127.0.0.1:0\"\n{}", config(upstream, "/", ""));
        std::fs::write(path(name).join("gateway.toml"), text).unwrap();
    }
    symlink("one", path("data")).unwrap();
    symlink("data/gateway.toml", path("gateway.toml")).unwrap();
    let gateway = Gateway::start(&["--config", path("gateway.toml").to_str().unwrap()]);
    let before = gateway.said().len();
    symlink("two", path("next")).unwrap();
    std::fs::rename(path("next"), path("data")).unwrap();
    gateway.wait_said(before, &["reloaded"]);
    assert_eq!(call(gateway.address, "GET /", &[], "").body, "second");
}

#[test]
fn another_address_takes_a_restart_and_the_rest_counts_at_once() {
    let upstream = answering("done");
    let gateway = Gateway::by(&config(&upstream, "/a", ""));
    let said = gateway.reload(&format!("listen = \"127.0.0.1:1\"\n{}", config(&upstream, "/b", "")));
    gateway.wait_said(0, &["listen needs a restart"]);
    assert!(said.contains("reloaded"), "{said}");
    assert_eq!(call(gateway.address, "GET /b", &[], "").body, "done");
    assert_eq!(gateway.status()["config"]["needs_restart"], serde_json::json!(["listen"]));
}

#[test]
fn a_renewed_certificate_is_shown_to_new_clients() {
    let upstream = answering("done");
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let renew = |name: &str| {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        std::fs::write(path("key.pem"), made.signing_key.serialize_pem()).unwrap();
        std::fs::write(path("cert.pem"), made.cert.pem()).unwrap();
    };
    renew("old.example");
    let tls = format!("tls = {{ cert = {:?}, key = {:?} }}", path("cert.pem"), path("key.pem"));
    let gateway = Gateway::by(&format!("{tls}\n{}", config(&upstream, "/", "")));
    let shown = || {
        let command = format!(
            "openssl s_client -connect {} </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName",
            gateway.address
        );
        let output = std::process::Command::new("sh").args(["-c", &command]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(shown().contains("old.example"), "{}", shown());
    let before = gateway.said().len();
    renew("new.example");
    gateway.wait_said(before, &["reloaded"]);
    assert!(shown().contains("new.example"), "{}", shown());
}

#[test]
fn a_drain_is_as_long_as_it_may_be_and_can_be_cut_short() {
    let upstream = Upstream::answering(vec![Act::Hang]);
    let lasts = |drain: &str, is_asked_twice: bool| {
        let mut gateway =
            Gateway::by(&format!("drain_timeout = \"{drain}\"\n{}", config(&upstream, "/", "")));
        let seen = upstream.seen().len();
        let _open = open(gateway.address, "GET /", &[], "");
        upstream.wait_seen(seen + 1);
        let began = Instant::now();
        gateway.terminate();
        let end = began + Duration::from_secs(5);
        while gateway.ask("/readyz").status == 200 {
            assert!(Instant::now() < end, "it is still ready");
        }
        if is_asked_twice {
            gateway.signal("INT");
        }
        assert!(gateway.ended(Duration::from_secs(10)).expect("it stops").success());
        began.elapsed()
    };
    let took = lasts("1s", false);
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(4), "{took:?}");
    let took = lasts("1h", true);
    assert!(took < Duration::from_secs(2), "{took:?}");
}

const SOON: Duration = Duration::from_millis(300);
