//! The proxies that are measured, each a process of its own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use tempfile::TempDir;

use crate::yardstick;

/// What stands between the load and the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The yardstick.
    Bare,
    /// The gateway, with `retry = false`.
    Off,
    /// The gateway, by its defaults.
    Armed,
    /// The gateway with the profile `llm`, and a pace whose key is the credential alone.
    LlmByCredential,
    /// The gateway with the profile `llm`.
    Llm,
    HaproxyOff,
    HaproxyArmed,
}

impl Kind {
    /// The proxies that a client without a language model meets.
    pub(crate) const ALL: [Self; 5] =
        [Self::Bare, Self::Off, Self::Armed, Self::HaproxyOff, Self::HaproxyArmed];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare hyper proxy",
            Self::Off => "retry-gateway, retry = false",
            Self::Armed => "retry-gateway",
            Self::LlmByCredential => "retry-gateway, llm, by credential",
            Self::Llm => "retry-gateway, llm",
            Self::HaproxyOff => "HAProxy, no retries",
            Self::HaproxyArmed => "HAProxy, retry-on 503",
        }
    }

    /// Starts it, behind `wrapper` if there is one.
    pub(crate) fn start(self, origin: SocketAddr, wrapper: &[String]) -> anyhow::Result<Proxy> {
        let folder = tempfile::tempdir()?;
        let address = free_port()?;
        let program = match self {
            Self::Bare => std::env::current_exe()?,
            Self::Off | Self::Armed | Self::LlmByCredential | Self::Llm => {
                PathBuf::from(env!("CARGO_BIN_EXE_retry-gateway"))
            }
            Self::HaproxyOff | Self::HaproxyArmed => PathBuf::from("haproxy"),
        };
        let mut command = match wrapper {
            [] => Command::new(program),
            [wrapper, arguments @ ..] => {
                let mut command = Command::new(wrapper);
                command.args(arguments).arg(program);
                command
            }
        };
        match self {
            Self::Bare => command.args([yardstick::NAME, &address.to_string(), &origin.to_string()]),
            Self::Off | Self::Armed | Self::LlmByCredential | Self::Llm => {
                let (upstream, route) = match self {
                    Self::Off => ("", "retry = false"),
                    Self::LlmByCredential => ("pace.key = \"credential\"", "profile = \"llm\""),
                    Self::Llm => ("", "profile = \"llm\""),
                    _ => ("", ""),
                };
                let config = gateway(folder.path(), address, origin, upstream, route)?;
                command.args(["serve", "--config"]).arg(config)
            }
            Self::HaproxyOff => {
                command.args(["-db", "-f"]).arg(haproxy(folder.path(), address, origin, "retries 0")?)
            }
            Self::HaproxyArmed => {
                let retries = "retries 2\n  retry-on 503 conn-failure empty-response";
                command.args(["-db", "-f"]).arg(haproxy(folder.path(), address, origin, retries)?)
            }
        };
        if !wrapper.is_empty() {
            // Threads take turns there, and one has less to say to others.
            command.env("TOKIO_WORKER_THREADS", "1");
        }
        let process = Running::start(&mut command, address, "haproxy valgrind")?;
        Ok(Proxy { address, process, _folder: folder })
    }
}

/// A proxy that is running; it stops when this is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    pub(crate) process: Running,
    _folder: TempDir,
}

/// A gateway's file, with lines of its upstream and its route. Nothing is logged.
pub(crate) fn gateway(
    folder: &Path,
    listen: SocketAddr,
    origin: SocketAddr,
    upstream: &str,
    route: &str,
) -> anyhow::Result<PathBuf> {
    let path = folder.join("gateway.toml");
    let text = format!(
        "listen = \"{listen}\"\naccess_log = {{ enabled = false }}\n[upstreams.origin]\nendpoints = [\"http://{origin}\"]\n\
         {upstream}\n[[routes]]\nupstream = \"origin\"\n{route}\n"
    );
    fs::write(&path, text)?;
    Ok(path)
}

fn haproxy(folder: &Path, listen: SocketAddr, origin: SocketAddr, backend: &str) -> anyhow::Result<PathBuf> {
    let path = folder.join("haproxy.cfg");
    let text = format!(
        "global\n  nbthread 1\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
         frontend in\n  bind {listen}\n  default_backend out\nbackend out\n  http-reuse always\n  {backend}\n  \
         server origin {origin}\n"
    );
    fs::write(&path, text)?;
    Ok(path)
}

/// A process that listens; it is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    /// Waits until it listens. `packages` are what has it.
    pub(crate) fn start(command: &mut Command, listens: SocketAddr, packages: &str) -> anyhow::Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut running = Self(child.with_context(|| missing(command, packages))?);
        let end = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(listens).is_err() {
            let is_gone = running.0.try_wait()?.is_some();
            anyhow::ensure!(!is_gone && Instant::now() < end, "{command:?} does not listen at {listens}");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(running)
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        Command::new("kill").arg(self.id().to_string()).status()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a command prints. `package` is what has it.
pub(crate) fn output(command: &mut Command, package: &str) -> anyhow::Result<String> {
    let output = command.output().with_context(|| missing(command, package))?;
    anyhow::ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn missing(command: &Command, packages: &str) -> String {
    format!("{:?} does not start; is it installed? apt-get install {packages}", command.get_program())
}

/// A port of this machine that nobody listens at.
pub(crate) fn free_port() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
