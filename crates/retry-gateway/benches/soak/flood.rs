//! Clients that want all of the gateway: heads byte by byte, and connections that say nothing.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::book::{Books, End};
use crate::client::{self, Wish};

/// Lets both come, one after the other, and measures how others are answered meanwhile.
pub(crate) async fn run(to: SocketAddr, books: &Books) -> anyhow::Result<()> {
    alone("alone", to, books).await;
    let mut slow = JoinSet::new();
    for _ in 0..SLOW {
        slow.spawn(byte_by_byte(to));
    }
    alone(&format!("beside {SLOW} heads that come byte by byte"), to, books).await;
    let ends = slow.join_all().await;
    let cut = ends.iter().filter(|is_cut| **is_cut).count();
    println!("  {cut} of them were cut");
    if cut < SLOW {
        books.violation(format!("only {cut} of {SLOW} connections with slow heads were cut"));
    }
    let limit = limits()?.0;
    // The gateway lets clients have half of its files, but for a reserve. Some are for all else that is open.
    let count = FLOOD.min((limit.saturating_sub(1_024) / 2).saturating_sub(500));
    if count < FLOOD {
        println!(
            "  `ulimit -n` is {limit}: {count} connections instead of {FLOOD}, which take {}",
            2 * (FLOOD + 500) + 1_024
        );
    }
    let began = Instant::now();
    let mut flood = JoinSet::new();
    for _ in 0..count {
        flood.spawn(async move {
            let socket = timeout(HOLD, TcpStream::connect(to)).await.ok()?.ok()?;
            sleep(HOLD.saturating_sub(began.elapsed())).await;
            Some(socket)
        });
    }
    alone(&format!("beside {count} connections that say nothing"), to, books).await;
    let came = flood.join_all().await.into_iter().flatten().count();
    println!("  {came} of them were there");
    Ok(())
}

/// A client of good manners, on a connection of its own for each second request.
async fn alone(when: &str, to: SocketAddr, books: &Books) {
    let kept = client::http(false);
    let end = Instant::now() + HOLD;
    let (mut took, mut failed) = ([Vec::new(), Vec::new()], 0);
    for number in 0.. {
        if Instant::now() > end {
            break;
        }
        let is_fresh = number % 2;
        let fresh = client::http(false);
        let http = if is_fresh == 0 { &kept } else { &fresh };
        let began = Instant::now();
        let (id, seen) = Wish::GET.send(http, to, books).await;
        took[is_fresh].push(began.elapsed());
        if seen.end != End::Answered(200) {
            failed += 1;
            books.violation(format!("{id}: {when}, {:?}", seen.end));
        }
        sleep(Duration::from_millis(10)).await;
    }
    println!("  {when}: {} requests, {failed} failed", took.iter().map(Vec::len).sum::<usize>());
    for (mut took, over) in took.into_iter().zip(["a connection that is kept", "new connections"]) {
        took.sort_unstable();
        let (Some(median), Some(max)) = (took.get(took.len() / 2), took.last()) else { continue };
        println!("    over {over}: p50 {median:.1?}, max {max:.1?}");
        if *max > LONGEST {
            books.violation(format!("{when}, a request over {over} took {max:.1?}"));
        }
    }
}

/// Whether the gateway ended it before the head did.
async fn byte_by_byte(to: SocketAddr) -> bool {
    let Ok(mut socket) = TcpStream::connect(to).await else { return false };
    let head = b"GET /slow HTTP/1.1\r\nhost: slow.example\r\nx-more: and more, and more, and more\r\n";
    for byte in head {
        if socket.write_all(&[*byte]).await.is_err() {
            return true;
        }
        if timeout(Duration::from_millis(100), socket.read(&mut [0; 512])).await.is_ok() {
            return true;
        }
    }
    false
}

/// How many files this process may open, and how many if it asks.
fn limits() -> anyhow::Result<(usize, usize)> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let mut words = line.context("there is no such limit")?.split_whitespace();
    let mut next = || words.next().map_or(0, |word| word.parse().unwrap_or(usize::MAX));
    Ok((next(), next()))
}

/// Starts this program anew where it may open more files than it does. The shell can ask for that, and `std` cannot.
pub(crate) fn raise() -> anyhow::Result<()> {
    let (soft, hard) = limits()?;
    if soft >= hard.min(FLOOD + 500) || std::env::var_os(RAISED).is_some() {
        return Ok(());
    }
    let program = std::env::current_exe()?;
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n $(ulimit -Hn); exec \"$0\" \"$@\""]).arg(program);
    Err(shell.args(std::env::args_os().skip(1)).env(RAISED, "1").exec().into())
}

const RAISED: &str = "SOAK_RAISED";
const FLOOD: usize = 10_000;
const SLOW: usize = 400;
/// Heads come more slowly than the gateway waits for them.
const HOLD: Duration = Duration::from_secs(5);
/// Where more connections come at once than a listener holds, the kernel tries again after one second, and after two
/// more.
const LONGEST: Duration = Duration::from_secs(4);
