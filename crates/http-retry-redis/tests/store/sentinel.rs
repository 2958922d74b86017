//! A server, its replica and a sentinel, which names another server once the first is gone.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use http_retry::fleet::UnreachableReason;
use http_retry::fleet::entry::LeaseAnswer;
use http_retry::fleet::{Store, StoreEvent};
use http_retry_redis::RedisConfig;
use testkit::redis::{RedisClient, RedisServer, Reply, free_port, program};

use crate::rights::{ACL, user};
use crate::support::{Member, question, run};

/// A sentinel, which ends with the test.
struct Sentinel(Child);

impl Drop for Sentinel {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

fn start(folder: &std::path::Path, port: u16, server: &RedisServer) -> Sentinel {
    std::fs::create_dir_all(folder).unwrap();
    let config = format!(
        "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor main 127.0.0.1 {} 1\n\
         sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 2000\n",
        folder.display(),
        server.port()
    );
    let path = folder.join("sentinel.conf");
    std::fs::write(&path, config).unwrap();
    let mut command = Command::new(program());
    command.arg(path).arg("--sentinel").stdin(Stdio::null()).stdout(Stdio::null());
    Sentinel(command.spawn().expect("the server of the tests is on PATH"))
}

#[test]
fn server_that_the_sentinel_names_is_found_after_a_failover() {
    let mut server = RedisServer::start_with(&["--repl-diskless-sync-delay", "0"]);
    let replica = RedisServer::start_with(&["--replicaof", &format!("127.0.0.1 {}", server.port())]);
    let (folder, port) = (std::env::temp_dir().join(format!("sentinel-{}", std::process::id())), free_port());
    let sentinel = start(&folder, port, &server);
    let knows_replica = || {
        let is_there = std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        is_there && {
            let reply = RedisClient::connect(port).run(&["SENTINEL", "REPLICAS", "main"]);
            matches!(reply, Reply::Array(replicas) if !replicas.is_empty())
        }
    };
    let begin = std::time::Instant::now();
    while !knows_replica() {
        assert!(begin.elapsed() < Duration::from_secs(30), "the sentinel finds the replica");
        std::thread::sleep(Duration::from_millis(50));
    }
    run(async {
        for node in [&server, &replica] {
            user(node, &format!("{ACL} +role"));
        }
        let url = format!("redis+sentinel://127.0.0.1:{port}/0?master=main");
        let with_user = url.replace("://", "://retry:PASSWORD@");
        let mut member = Member::connect(RedisConfig::new(with_user, "test").timeout(Duration::from_secs(1)));
        member.reachable().await;
        assert_eq!(member.store.address(), url);
        let id = member.store.id(b"api");
        let before = member.lease(id, question(1)).await;
        // The replica has all that was written up to now.
        let mut client = server.client();
        client.run(&["SET", "last", "1"]);
        assert_eq!(client.run(&["WAIT", "1", "30000"]), Reply::Integer(1));
        server.kill();
        assert_eq!(member.unreachable().await, UnreachableReason::Closed);
        let begin = std::time::Instant::now();
        let event = tokio::time::timeout(Duration::from_secs(60), async {
            loop {
                if let Ok(event) = tokio::time::timeout(Duration::from_secs(1), member.event()).await {
                    return event;
                }
            }
        });
        assert_eq!(event.await.unwrap(), StoreEvent::Reachable, "{:?}", begin.elapsed());
        let after = member.lease(id, question(1)).await;
        assert_eq!(after.state, LeaseAnswer::PACED);
        assert_eq!(after.born, before.born, "the replica had the entry");
    });
    assert!(
        RedisConfig::new("redis+sentinel://127.0.0.1:1/0", "test").connect().is_err(),
        "no master is named"
    );
    drop((sentinel, replica));
    std::fs::remove_dir_all(folder).unwrap();
}
