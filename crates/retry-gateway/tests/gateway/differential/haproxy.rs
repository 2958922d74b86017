//! HAProxy as a process.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// The version of HTTP on one side of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Http1,
    Http2,
}

/// An HAProxy that runs; it is killed when this is dropped.
pub(super) struct Haproxy {
    pub(super) address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Haproxy {
    /// In front of a server. It sends nothing again, and leaves `Host` as it is. Clients and the server speak HTTP/2 or HTTP/1.1.
    #[track_caller]
    pub(super) fn before(server: SocketAddr, clients: Version, to_server: Version) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("haproxy.cfg");
        // Its standard input is a socket that listens already, so no other process can have taken the port.
        let proto = |version| if version == Version::Http2 { "proto h2" } else { "" };
        let (clients, to_server) = (proto(clients), proto(to_server));
        let config = format!(
            "global\n  nbthread 1\ndefaults\n  mode http\n  retries 0\n  timeout connect 5s\n  \
             timeout client 20s\n  timeout server 20s\nlisten proxy\n  bind fd@0 {clients}\n  server one {server} {to_server}\n"
        );
        std::fs::write(&path, config).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let mut command = program();
        command.arg("-db").arg("-f").arg(&path).stdin(OwnedFd::from(listener));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| panic!("{MISSING}: {error}"));
        Self { address, child, _folder: folder }
    }
}

/// Returns the version, such as `2.6`.
#[track_caller]
pub(super) fn version() -> String {
    let output = program().arg("-v").output().unwrap_or_else(|error| panic!("{MISSING}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split_whitespace().nth(2).unwrap_or_else(|| panic!("no version in {text:?}"));
    version.split('.').take(2).collect::<Vec<_>>().join(".")
}

/// The packages of distributions install it where only root looks for programs.
fn program() -> Command {
    let mut command = Command::new("haproxy");
    command.env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default()));
    command
}

const MISSING: &str = "haproxy is needed: apt-get install haproxy";

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
