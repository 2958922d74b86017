//! An upstream's process, from outside.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::book::Books;
use crate::upstream::{self, Mode};

/// An upstream at an address, whose process may come and go.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    process: Option<(Child, ChildStdin, JoinHandle<()>)>,
    books: Books,
}

impl Endpoint {
    pub(crate) fn start(books: &Books) -> anyhow::Result<Self> {
        let mut endpoint = Self { address: port()?, process: None, books: books.clone() };
        endpoint.restart()?;
        Ok(endpoint)
    }

    /// Starts its process, unless it is there, and waits until it listens.
    pub(crate) fn restart(&mut self) -> anyhow::Result<()> {
        if self.process.is_some() {
            return Ok(());
        }
        let mut command = Command::new(std::env::current_exe()?);
        command.args([upstream::NAME, &self.address.to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (books, address) = (self.books.clone(), self.address);
        let read = read(&mut child.stdout, move |line| books.upstream(address, line));
        let stdin = child.stdin.take().context("it was asked for")?;
        self.process = Some((child, stdin, read));
        listens(self.address)
    }

    pub(crate) fn behave(&mut self, mode: Mode) -> anyhow::Result<()> {
        let name = Mode::ALL.iter().find(|(one, _)| *one == mode).map_or("", |(_, name)| name);
        if let Some((_, stdin, _)) = &mut self.process {
            writeln!(stdin, "{name}")?;
        }
        Ok(())
    }

    pub(crate) fn signal(&self, name: &str) -> anyhow::Result<()> {
        self.process.as_ref().map_or(Ok(()), |(child, ..)| signal(child.id(), name))
    }

    /// Kills its process. All that it wrote is in the books then.
    pub(crate) fn kill(&mut self) {
        if let Some((mut child, _, read)) = self.process.take() {
            let _ = child.kill();
            let _ = child.wait();
            let _ = read.join();
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Hands on lines as they come, until there are no more.
pub(crate) fn read<R: Read + Send + 'static>(
    output: &mut Option<R>,
    to: impl Fn(&str) + Send + 'static,
) -> JoinHandle<()> {
    let output = output.take();
    thread::spawn(move || {
        let lines = output.into_iter().flat_map(|output| BufReader::new(output).lines());
        lines.map_while(Result::ok).for_each(|line| to(&line));
    })
}

pub(crate) fn signal(process: u32, name: &str) -> anyhow::Result<()> {
    let status = Command::new("kill").args(["-s", name, &process.to_string()]).status()?;
    anyhow::ensure!(status.success(), "`kill` does not send SIG{name}");
    Ok(())
}

pub(crate) fn listens(address: SocketAddr) -> anyhow::Result<()> {
    let end = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(address).is_err() {
        anyhow::ensure!(Instant::now() < end, "nobody listens at {address}");
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// A port that is free, and stays so while nobody listens: connections draw theirs from a range above, and one that
/// drew the port it connects to would be connected to itself.
pub(crate) fn port() -> anyhow::Result<SocketAddr> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")?;
    let first: u16 = range.split_whitespace().next().context("it has no range")?.parse()?;
    for _ in 0..1000 {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, rand::random_range(first / 2..first)));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    anyhow::bail!("no port below {first} is free")
}
