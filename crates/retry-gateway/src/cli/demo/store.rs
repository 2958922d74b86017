//! A store of its own for the demo: a `redis-server` from PATH.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// A server that keeps nothing on disk. It ends with this value.
pub(super) struct LocalStore {
    child: Child,
    port: u16,
}

impl LocalStore {
    /// Starts a server on a free port, and waits until it listens.
    pub(super) fn start() -> anyhow::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut store = Self { child: Self::spawn(port)?, port };
        let end = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if let Some(status) = store.child.try_wait()? {
                bail!("the store ended at once: {status}");
            }
            if Instant::now() > end {
                bail!("the store does not listen");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(store)
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    fn spawn(port: u16) -> anyhow::Result<Child> {
        for program in PROGRAMS {
            let mut command = Command::new(program);
            command.args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ]);
            command.current_dir(std::env::temp_dir());
            match command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                result => return result.with_context(|| format!("{program} does not start")),
            }
        }
        bail!(
            "redis-server is not on PATH; install it (Debian: apt-get install redis-server), or valkey-server"
        )
    }
}

impl Drop for LocalStore {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];
